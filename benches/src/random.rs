//! Numbers that look random and are the same for the same seed on every machine.

/// A sequence of numbers (SplitMix64).
#[derive(Debug, Clone)]
pub struct Random(u64);

/// A number's bits, well stirred.
pub fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

impl Random {
    /// The sequence of a seed.
    pub fn of(seed: u64) -> Self {
        Self(mix(seed))
    }

    /// 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number from 0 to below 1.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number below `end`; 0 when there is none.
    pub fn below(&mut self, end: u64) -> u64 {
        self.bits() % end.max(1)
    }

    /// True in this share of cases.
    pub fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// Milliseconds until something that happens every `mean` milliseconds.
    pub fn wait(&mut self, mean: f64) -> i64 {
        (-mean * (1.0 - self.unit()).ln()) as i64 + 1
    }
}

/// Numbers from 0 on of which some are chosen more often than others.
#[derive(Debug, Clone)]
pub struct Weights(Vec<f64>);

impl Weights {
    /// Each number by its weight.
    pub fn of(weights: impl IntoIterator<Item = f64>) -> Self {
        let mut sum = 0.0;
        Self(
            weights
                .into_iter()
                .map(|weight| {
                    sum += weight;
                    sum
                })
                .collect(),
        )
    }

    /// Zipf's law: the n-th is chosen n times less often than the first.
    pub fn zipf(count: usize) -> Self {
        Self::of((1..=count).map(|rank| 1.0 / rank as f64))
    }

    /// Chooses one.
    pub fn choose(&self, random: &mut Random) -> usize {
        let sum = self.0.last().copied().unwrap_or_default();
        let at = random.unit() * sum;
        self.0.partition_point(|upto| *upto <= at).min(self.0.len().saturating_sub(1))
    }
}
