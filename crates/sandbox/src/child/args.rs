//! The arguments between parent and child, written and read in one place.

use std::{ffi::OsString, path::PathBuf};

/// What the child is told. Paths are absolute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChildArgs {
    pub(crate) data: PathBuf,
    pub(crate) library: PathBuf,
    pub(crate) http_port: u16,
    pub(crate) tcp_port: u16,
    pub(crate) query_log: bool,
    pub(crate) fsync: bool,
    pub(crate) remove_data: bool,
    /// In bytes.
    pub(crate) memory_limit: Option<u64>,
}

impl ChildArgs {
    pub(crate) fn to_args(&self) -> Vec<OsString> {
        let mut args: Vec<OsString> = vec![
            "--data".into(),
            self.data.clone().into(),
            "--library".into(),
            self.library.clone().into(),
            "--http-port".into(),
            self.http_port.to_string().into(),
            "--tcp-port".into(),
            self.tcp_port.to_string().into(),
        ];
        let flags =
            [(self.query_log, "--query-log"), (self.fsync, "--fsync"), (self.remove_data, "--remove-data")];
        args.extend(flags.into_iter().filter(|(set, _)| *set).map(|(_, flag)| flag.into()));
        if let Some(limit) = self.memory_limit {
            args.extend(["--memory-limit".into(), limit.to_string().into()]);
        }
        args
    }

    /// Reads what [`ChildArgs::to_args`] wrote. A failure is a sentence for stderr.
    pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<ChildArgs, String> {
        let mut parsed = ChildArgs::default();
        let mut args = args.into_iter();
        while let Some(name) = args.next() {
            let name = name.to_string_lossy().into_owned();
            let mut value = || args.next().ok_or_else(|| format!("{name} needs a value"));
            match name.as_str() {
                "--data" => parsed.data = value()?.into(),
                "--library" => parsed.library = value()?.into(),
                "--http-port" => parsed.http_port = number(&name, &value()?)?,
                "--tcp-port" => parsed.tcp_port = number(&name, &value()?)?,
                "--memory-limit" => parsed.memory_limit = Some(number(&name, &value()?)?),
                "--query-log" => parsed.query_log = true,
                "--fsync" => parsed.fsync = true,
                "--remove-data" => parsed.remove_data = true,
                _ => {
                    return Err(format!(
                        "there is no argument {name}; Footfall starts this program by itself"
                    ));
                }
            }
        }
        let complete = parsed.data.is_absolute()
            && parsed.library.is_absolute()
            && parsed.http_port != 0
            && parsed.tcp_port != 0;
        if complete {
            Ok(parsed)
        } else {
            Err("--data and --library (absolute), --http-port and --tcp-port are needed; \
                 Footfall starts this program by itself"
                .to_owned())
        }
    }
}

fn number<T: std::str::FromStr>(name: &str, value: &OsString) -> Result<T, String> {
    value
        .to_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| format!("the value of {name} is no such number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_child_reads_what_the_parent_wrote() {
        let told = ChildArgs {
            data: "/d a".into(),
            library: "/l.so".into(),
            http_port: 1,
            tcp_port: 2,
            query_log: true,
            fsync: false,
            remove_data: true,
            memory_limit: Some(5),
        };
        assert_eq!(ChildArgs::parse(told.to_args()), Ok(told));
    }

    #[test]
    fn what_is_missing_or_strange_is_refused() {
        let parse = |args: &[&str]| ChildArgs::parse(args.iter().map(OsString::from));
        assert!(parse(&[]).is_err());
        assert!(parse(&["--port", "1"]).is_err());
        assert!(parse(&["--http-port"]).is_err());
        assert!(parse(&["--http-port", "70000"]).is_err());
        assert!(parse(&["--data", "d", "--library", "/l", "--http-port", "1", "--tcp-port", "2"]).is_err());
    }
}
