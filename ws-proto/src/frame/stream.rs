//! `$credit` (`docs/protocol.md`, section 7).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The receiver of a stream can take more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Credit {
    /// How many more items; additive.
    pub n: u32,
}
