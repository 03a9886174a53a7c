//! The demo. Readable by someone who knows nothing, as it happens; every claim that it makes is checked, and
//! it fails if one does not hold.

mod acts;
mod play;
mod stage;

use handshake_core::base_url::BaseUrl;
use serde_json::json;

use crate::{
    error::{Exit, Result},
    factor,
    out::Out,
};

pub(crate) use self::stage::Stage;

/// Plays all acts.
pub(crate) async fn run(out: Out, local_url: Option<BaseUrl>, yes: bool) -> Result<Exit> {
    out.line(
        "This is Handshake in five acts. Everything happens on this machine, in a temporary home that is",
    );
    out.line("deleted afterwards. The \"cloud\" is a simulator on a loopback port that plays a remote provider.");
    let mut stage = Stage::set(out, local_url).await?;
    stage.ask = !yes && factor::at_terminal() && !out.json;
    acts::one(&mut stage).await?;
    acts::two(&mut stage).await?;
    acts::three(&mut stage).await?;
    acts::four(&mut stage).await?;
    acts::five(&mut stage).await?;
    let held = stage.failed == 0;
    out.object(
        &json!({ "type": "summary", "checks": stage.checks, "failed": stage.failed, "ok": held }),
    );
    if held {
        out.line(format!("\nAll {} checks passed.", stage.checks));
    } else {
        out.line(format!(
            "\n{} of {} checks failed.",
            stage.failed, stage.checks
        ));
    }
    stage.strike().await;
    Ok(if held { Exit::Done } else { Exit::Failed })
}
