//! A stream on which nothing can be committed: every loader dies between its insert and its commit.

use std::sync::Arc;

use async_trait::async_trait;
use ingest::stream::{
    Lease, Leases, Offset, Partition, Position, ReadLimits, Record, Stored, Stream, StreamError,
};
use service::Stop;
use tokio::sync::mpsc;

pub(crate) struct Forgetful(pub(crate) Arc<dyn Stream>);

#[async_trait]
impl Stream for Forgetful {
    fn id(&self) -> &str {
        self.0.id()
    }

    fn partitions(&self) -> u32 {
        self.0.partitions()
    }

    async fn append(&self, records: Vec<Record>) -> Vec<Result<Offset, StreamError>> {
        self.0.append(records).await
    }

    async fn end(&self, partition: Partition) -> Result<Offset, StreamError> {
        self.0.end(partition).await
    }

    async fn committed(&self, partition: Partition) -> Result<Offset, StreamError> {
        self.0.committed(partition).await
    }

    fn leases(&self, stop: Stop) -> Result<Leases, StreamError> {
        let mut inner = self.0.leases(stop)?;
        let (offer, leases) = mpsc::channel::<Box<dyn Lease>>(self.partitions() as usize);
        tokio::spawn(async move {
            loop {
                let lease = tokio::select! {
                    lease = inner.recv() => lease,
                    () = offer.closed() => break,
                };
                let Some(lease) = lease else { break };
                if offer.send(Box::new(ForgetfulLease(lease))).await.is_err() {
                    break;
                }
            }
        });
        Ok(leases)
    }

    async fn close(&self) {
        self.0.close().await;
    }
}

struct ForgetfulLease(Box<dyn Lease>);

#[async_trait]
impl Lease for ForgetfulLease {
    fn partition(&self) -> Partition {
        self.0.partition()
    }

    fn position(&self) -> Position {
        self.0.position()
    }

    fn revoked(&self) -> Stop {
        self.0.revoked()
    }

    async fn read(&mut self, limits: ReadLimits) -> Result<Vec<Stored>, StreamError> {
        self.0.read(limits).await
    }

    async fn plan(&mut self, end: Offset) -> Result<(), StreamError> {
        self.0.plan(end).await
    }

    async fn commit(&mut self, _end: Offset) -> Result<(), StreamError> {
        Err(StreamError::Unavailable("it is forgotten".into()))
    }
}
