//! `$credit` (`docs/protocol.md`, section 7).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The receiver of a stream or of an upload can take more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Credit {
    /// How many more items or parts; additive.
    pub n: u32,
}
