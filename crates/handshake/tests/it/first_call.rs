//! The example of the first call, run.

use tempfile::TempDir;

use super::world::simulator;

#[allow(
    dead_code,
    unreachable_pub,
    reason = "an example is a program of its own"
)]
#[path = "../../examples/first_call.rs"]
mod example;

#[tokio::test]
async fn c1_the_first_call_runs_and_runs_again_in_the_same_home() {
    let (folder, server) = (TempDir::new().expect("a folder"), simulator().await);
    for calls in 1..=2 {
        let answer =
            example::first_call(folder.path(), &server.url(), "sim-small:latest", "6 x 7?")
                .await
                .expect("answered");
        assert_eq!(answer, "forty-two", "call {calls}");
    }
    server.shutdown().await;
}
