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
    /// Names, and a native port for each shard.
    pub(crate) clusters: Vec<(String, Vec<u16>)>,
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
        for (name, ports) in &self.clusters {
            let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
            args.extend(["--cluster".into(), format!("{name}={}", ports.join(",")).into()]);
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
                "--cluster" => parsed.clusters.push(cluster(&value()?)?),
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

/// `name=port,port`: a name is written into the settings as a tag, so it has letters, digits and `_` only.
fn cluster(value: &OsString) -> Result<(String, Vec<u16>), String> {
    let read = || {
        let (name, ports) = value.to_str()?.split_once('=')?;
        let is_tag = name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let ports = ports.split(',').map(str::parse).collect::<Result<Vec<u16>, _>>().ok()?;
        is_tag.then(|| (name.to_owned(), ports))
    };
    read().ok_or_else(|| "the value of --cluster is no name with ports".to_owned())
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
            clusters: vec![("two".to_owned(), vec![3, 4])],
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
        for cluster in ["a", "a=", "a=1,x", "=1", "a><b=1"] {
            assert!(parse(&["--cluster", cluster]).unwrap_err().contains("--cluster"), "{cluster}");
        }
        assert!(parse(&["--http-port", "70000"]).is_err());
        assert!(parse(&["--data", "d", "--library", "/l", "--http-port", "1", "--tcp-port", "2"]).is_err());
    }
}
