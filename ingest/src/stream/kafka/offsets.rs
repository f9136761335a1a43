//! Committed offsets, and the plan in their metadata.

use std::time::Duration;

use rdkafka::consumer::{CommitMode, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use super::KafkaOptions;
use crate::stream::{Offset, Position};

/// The topic, and how long a question about it may take.
#[derive(Debug, Clone)]
pub(super) struct Topic {
    pub(super) name: String,
    pub(super) timeout: Duration,
}

const PLAN: &str = "plan:";

/// librdkafka counts with signed numbers and means something else by negative ones.
pub(super) fn offset_of(raw: i64) -> Offset {
    u64::try_from(raw).unwrap_or(0)
}

impl Topic {
    pub(super) fn of(options: &KafkaOptions) -> Self {
        Self { name: options.topic.clone(), timeout: options.request_timeout }
    }

    /// Where loading goes on in each partition. A partition without a commit begins at its first record.
    pub(super) fn positions<C: ConsumerContext>(
        &self,
        consumer: &impl Consumer<C>,
        partitions: &[i32],
    ) -> KafkaResult<Vec<(i32, Position)>> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let mut asked = TopicPartitionList::with_capacity(partitions.len());
        for &partition in partitions {
            asked.add_partition(&self.name, partition);
        }
        // The list must not outlive this function: it would keep the consumer from being dropped.
        let answer = consumer.committed_offsets(asked, self.timeout)?;
        answer
            .elements()
            .iter()
            .map(|element| {
                element.error()?;
                let partition = element.partition();
                let position = if let KafkaOffset::Offset(next) = element.offset() {
                    Position { next: offset_of(next), plan: parse_plan(element.metadata()) }
                } else {
                    let (low, _) = consumer.fetch_watermarks(&self.name, partition, self.timeout)?;
                    Position { next: offset_of(low), plan: None }
                };
                Ok((partition, position))
            })
            .collect()
    }

    /// Commits one partition and waits for the broker's answer.
    pub(super) fn commit<C: ConsumerContext>(
        &self,
        consumer: &impl Consumer<C>,
        partition: i32,
        position: Position,
    ) -> KafkaResult<()> {
        let mut list = TopicPartitionList::with_capacity(1);
        let mut element = list.add_partition(&self.name, partition);
        element.set_offset(KafkaOffset::Offset(position.next.cast_signed()))?;
        if let Some(end) = position.plan {
            element.set_metadata(format!("{PLAN}{end}"));
        }
        consumer.commit(&list, CommitMode::Sync)
    }
}

fn parse_plan(metadata: &str) -> Option<Offset> {
    if metadata.is_empty() {
        return None;
    }
    let plan = metadata.strip_prefix(PLAN).and_then(|end| end.parse().ok());
    if plan.is_none() {
        tracing::warn!("A committed offset carries metadata that is not a plan; it is ignored.");
    }
    plan
}

/// Whether a refused commit means that the partition belongs to somebody else.
pub(super) fn is_lost(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::UnknownMemberId
                | RDKafkaErrorCode::IllegalGeneration
                | RDKafkaErrorCode::FencedInstanceId
                | RDKafkaErrorCode::FencedMemberEpoch
                | RDKafkaErrorCode::StaleMemberEpoch
                | RDKafkaErrorCode::AssignmentLost
        )
    )
}

#[cfg(test)]
mod tests {
    use super::parse_plan;

    #[test]
    fn only_our_own_metadata_is_a_plan() {
        assert_eq!(parse_plan("plan:42"), Some(42));
        assert_eq!(parse_plan(""), None);
        assert_eq!(parse_plan("plan:"), None);
        assert_eq!(parse_plan("plan:-1"), None);
        assert_eq!(parse_plan("somebody else's note"), None);
    }
}
