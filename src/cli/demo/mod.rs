//! demo
use super::{Exit, Format, Outcome};
/// x
pub async fn run(_d: Option<std::path::PathBuf>, _k: bool, _f: Format) -> Outcome {
    Ok(Exit::Done)
}
