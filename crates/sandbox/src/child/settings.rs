//! The server's settings: for two cores and from one gigabyte of memory, and close to a server's own where that costs
//! nothing, so that what runs here runs there.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use super::{ChildArgs, create_private, log_path};

/// Where the settings file is, within the data folder.
pub(super) fn path(data: &Path) -> PathBuf {
    data.join("engine.xml")
}

/// Writes the settings into the data folder, readable by its owner alone.
pub(super) fn write(args: &ChildArgs) -> io::Result<()> {
    create_private(&args.data.join("log"))?;
    create_private(&args.data.join("store"))?;
    write_private(&args.data.join("users.xml"), USERS)?;
    write_private(&path(&args.data), &server(args)?)
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

fn server(args: &ChildArgs) -> io::Result<String> {
    let log = escaped_path(&log_path(&args.data))?;
    let errors = escaped_path(&args.data.join("log/errors.log"))?;
    let users = escaped_path(&args.data.join("users.xml"))?;
    let memory = match args.memory_limit {
        Some(bytes) => format!("<max_server_memory_usage>{bytes}</max_server_memory_usage>"),
        // The other half is for the rest of Footfall and for the system's cache of the files that reports read.
        None => "<max_server_memory_usage_to_ram_ratio>0.5</max_server_memory_usage_to_ram_ratio>".to_owned(),
    };
    let query_log = if args.query_log { QUERY_LOG } else { "" };
    let fsync = u8::from(args.fsync);
    let clusters = clusters(args);
    Ok(format!(
        "<clickhouse>
  <logger>
    <log>{log}</log>
    <errorlog>{errors}</errorlog>
    <size>10M</size>
    <count>3</count>
    <console>0</console>
    <levels>{QUIET}</levels>
  </logger>
  <users_config>{users}</users_config>
  {memory}
  {POOLS}
  <merge_tree>
    {POOL_ENTRIES}
    <fsync_after_insert>{fsync}</fsync_after_insert>
    <fsync_part_directory>{fsync}</fsync_part_directory>
  </merge_tree>
  {query_log}
  {clusters}
</clickhouse>
"
    ))
}

/// The clusters, each a server of this machine per shard.
fn clusters(args: &ChildArgs) -> String {
    let shard = |port: &u16| {
        format!(
            "<shard><internal_replication>true</internal_replication><replica><host>127.0.0.1</host><port>{port}</port></replica></shard>"
        )
    };
    let cluster = |(name, ports): &(String, Vec<u16>)| {
        format!("<{name}>{}</{name}>", ports.iter().map(shard).collect::<String>())
    };
    if args.clusters.is_empty() {
        return String::new();
    }
    format!("<remote_servers>{}</remote_servers>", args.clusters.iter().map(cluster).collect::<String>())
}

/// These repeat callers' queries, which carry personal data; the caller gets the error anyway.
const QUIET: &str = "
      <logger><name>executeQuery</name><level>none</level></logger>
      <logger><name>DynamicQueryHandler</name><level>none</level></logger>
      <logger><name>TCPHandler</name><level>none</level></logger>";

/// Caches and pools. ClickHouse's own are for machines with hundreds of gigabytes and dozens of cores.
const POOLS: &str = "<mark_cache_size>67108864</mark_cache_size>
  <index_mark_cache_size>16777216</index_mark_cache_size>
  <primary_index_cache_size>67108864</primary_index_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <index_uncompressed_cache_size>0</index_uncompressed_cache_size>
  <compiled_expression_cache_size>16777216</compiled_expression_cache_size>
  <max_concurrent_queries>100</max_concurrent_queries>
  <max_connections>512</max_connections>
  <background_pool_size>2</background_pool_size>
  <background_merges_mutations_concurrency_ratio>2</background_merges_mutations_concurrency_ratio>
  <background_move_pool_size>1</background_move_pool_size>
  <background_fetches_pool_size>1</background_fetches_pool_size>
  <background_common_pool_size>2</background_common_pool_size>
  <background_schedule_pool_size>4</background_schedule_pool_size>
  <tables_loader_background_pool_size>2</tables_loader_background_pool_size>";

/// The defaults ask for more free entries than the pool above has in all: mutations would never begin.
const POOL_ENTRIES: &str = "<number_of_free_entries_in_pool_to_lower_max_size_of_merge>1</number_of_free_entries_in_pool_to_lower_max_size_of_merge>
    <number_of_free_entries_in_pool_to_execute_mutation>1</number_of_free_entries_in_pool_to_execute_mutation>
    <number_of_free_entries_in_pool_to_execute_optimize_entire_partition>1</number_of_free_entries_in_pool_to_execute_optimize_entire_partition>";

const QUERY_LOG: &str = "<query_log>
    <database>system</database>
    <table>query_log</table>
    <partition_by>event_date</partition_by>
    <ttl>event_date + INTERVAL 3 DAY DELETE</ttl>
    <flush_interval_milliseconds>1000</flush_interval_milliseconds>
  </query_log>";

/// One user, without a password, from this machine alone: the session that keeps the server running can log in no other
/// way. `implicit_select` is a convenience of `clickhouse local` that a server does not have.
const USERS: &str = "<clickhouse>
  <profiles><default><implicit_select>0</implicit_select></default></profiles>
  <quotas><default/></quotas>
  <users>
    <default>
      <password></password>
      <profile>default</profile>
      <quota>default</quota>
      <networks><ip>127.0.0.1</ip><ip>::1</ip></networks>
    </default>
  </users>
</clickhouse>
";

fn escaped_path(path: &Path) -> io::Result<String> {
    let text = path.to_str().ok_or_else(|| {
        let sentence = format!("the path {} is not UTF-8", path.display());
        io::Error::new(io::ErrorKind::InvalidInput, sentence)
    })?;
    Ok(escaped(text))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn written(args: ChildArgs) -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().expect("a folder");
        let args = ChildArgs { data: folder.path().join("a & b"), ..args };
        fs::create_dir(&args.data).expect("created");
        write(&args).expect("written");
        let text = fs::read_to_string(path(&args.data)).expect("read");
        (folder, text)
    }

    #[test]
    fn memory_is_half_the_machines_unless_it_is_given() {
        assert!(written(ChildArgs::default()).1.contains("ram_ratio>0.5<"));
        let given = ChildArgs { memory_limit: Some(300_000_000), ..ChildArgs::default() };
        assert!(written(given).1.contains("<max_server_memory_usage>300000000<"));
    }

    #[test]
    fn the_query_log_is_kept_only_when_wanted_and_for_three_days() {
        assert!(!written(ChildArgs::default()).1.contains("query_log"));
        let wanted = ChildArgs { query_log: true, ..ChildArgs::default() };
        assert!(written(wanted).1.contains("INTERVAL 3 DAY DELETE"));
    }

    #[test]
    fn a_path_is_written_as_xml_and_the_file_is_its_owners() {
        let (folder, text) = written(ChildArgs::default());
        assert!(text.contains("/a &amp; b/log/server.log"));
        let mode = fs::metadata(path(&folder.path().join("a & b"))).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
