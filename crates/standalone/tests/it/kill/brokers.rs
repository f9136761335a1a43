//! The Kafka of a test: its protocol in this process, or a real one.

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use tempfile::TempDir;
use uuid::Uuid;

use crate::cli::process::{PATIENCE, gather, signal};

/// The variable that names a real Kafka as `host:port`.
const REAL: &str = "FOOTFALL_TEST_KAFKA";

/// A topic and a group of a test's own, and where they are.
pub struct Brokers {
    address: String,
    topic: String,
    partitions: String,
    mock: Option<MockCluster<'static, DefaultProducerContext>>,
}

impl Brokers {
    /// Kafka's protocol, spoken by librdkafka itself. It forgets what is beyond 5 MiB in a partition.
    pub fn mock(partitions: u32) -> Self {
        let cluster = MockCluster::new(1).unwrap();
        let address = cluster.bootstrap_servers();
        let brokers = Self::at(address, partitions);
        cluster.create_topic(&brokers.topic, partitions.cast_signed(), 1).unwrap();
        Self { mock: Some(cluster), ..brokers }
    }

    /// The Kafka that `FOOTFALL_TEST_KAFKA` names. None: there is none, and the test's output says so.
    pub fn real(partitions: u32) -> Option<Self> {
        let address = std::env::var(REAL).ok().filter(|address| !address.is_empty());
        if address.is_none() {
            // Not by `eprintln!`, which is kept back when a test succeeds.
            let _ =
                writeln!(std::io::stderr(), "Skipped: {REAL} does not name a real Kafka (scripts/kafka).");
        }
        address.map(|address| Self::at(address, partitions))
    }

    /// A new topic on a Kafka. Whoever opens it first makes it.
    pub fn at(address: String, partitions: u32) -> Self {
        let topic = format!("footfall-test-{}", Uuid::new_v4().simple());
        Self { address, topic, partitions: partitions.to_string(), mock: None }
    }

    /// What a program must be told.
    pub fn settings(&self) -> Vec<(&str, &str)> {
        vec![
            ("FOOTFALL_KAFKA", &self.address),
            ("FOOTFALL_KAFKA_TOPIC", &self.topic),
            ("FOOTFALL_KAFKA_GROUP", &self.topic),
            ("FOOTFALL_PARTITIONS", &self.partitions),
        ]
    }
}

/// What only the protocol's mock can be told.
impl Brokers {
    /// Nobody answers any more, and connections break.
    pub fn go_away(&self) {
        self.mock.as_ref().unwrap().broker_down(1).unwrap();
    }

    /// They answer again, with all that they had.
    pub fn come_back(&self) {
        self.mock.as_ref().unwrap().broker_up(1).unwrap();
    }
}

/// A real Kafka that belongs to one test, which may do with it what it likes. Dropped, it is killed and reaped.
pub struct OwnKafka {
    process: Child,
    data: TempDir,
    port: u16,
}

impl OwnKafka {
    /// Starts one and waits until it answers.
    pub fn start() -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let data = TempDir::with_prefix("footfall-kafka-").unwrap();
        let process = Self::run(port, &data);
        Self { process, data, port }
    }

    /// Where it is.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn run(port: u16, data: &TempDir) -> Child {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/kafka");
        let mut command = Command::new(script);
        command.args(["--port", &port.to_string(), "--data", data.path().to_str().unwrap()]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let (out, _) = gather(process.stdout.take().unwrap());
        let (log, _) = gather(process.stderr.take().unwrap());
        let deadline = Instant::now() + PATIENCE;
        while !out.lock().unwrap().contains("127.0.0.1:") {
            if process.try_wait().unwrap().is_some() || Instant::now() > deadline {
                let _ = process.kill();
                let _ = process.wait();
                panic!("Kafka did not start: {}", told(&log));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        process
    }

    /// It does nothing any more, and keeps its connections.
    pub fn freeze(&self) {
        signal("STOP", self.process.id());
    }

    /// It goes on where it was.
    pub fn thaw(&self) {
        signal("CONT", self.process.id());
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// After a kill: starts it again on what it has kept.
    pub fn start_again(&mut self) {
        self.process = Self::run(self.port, &self.data);
    }
}

impl Drop for OwnKafka {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn told(log: &Arc<Mutex<String>>) -> String {
    log.lock().unwrap().clone()
}
