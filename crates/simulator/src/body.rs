//! The body as a list of steps, and the stream that takes them.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;

use crate::Fault;
use crate::connection::Connection;

/// One step of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// These bytes, as an HTTP chunk of their own.
    Send(Bytes),
    /// Wait.
    Sleep(Duration),
    /// Wait until the client or the simulator goes away.
    Forever,
    /// Cut the connection.
    Abort,
}

/// Steps that send `pieces` with the faults that concern bytes.
pub(crate) fn steps(pieces: Vec<Vec<u8>>, faults: &[Fault]) -> VecDeque<Step> {
    let mut pace = None;
    let mut size = None;
    let mut cut: Option<usize> = None;
    let mut stalls = Vec::new();
    for fault in faults {
        match fault {
            Fault::Pace { ms } => pace = Some(Duration::from_millis(*ms)),
            Fault::Rechunk { size: wanted } => size = Some((*wanted).max(1)),
            Fault::DropAfter { bytes } => {
                cut = Some(cut.map_or(*bytes, |now| now.min(*bytes)));
            }
            Fault::StallAfter { bytes, ms } => stalls.push((*bytes, *ms)),
            _ => {}
        }
    }
    stalls.sort_by_key(|(at, _)| *at);

    let pieces: Vec<Bytes> = match size {
        None => pieces.into_iter().map(Bytes::from).collect(),
        Some(size) => {
            let all = Bytes::from(pieces.concat());
            (0..all.len())
                .step_by(size)
                .map(|at| all.slice(at..all.len().min(at + size)))
                .collect()
        }
    };
    let total: usize = pieces.iter().map(Bytes::len).sum();
    let end = cut.unwrap_or(total).min(total);

    let mut steps = VecDeque::new();
    let mut stalls = stalls.into_iter().peekable();
    let mut sent = 0;
    for piece in pieces {
        let mut rest = piece.slice(..piece.len().min(end - sent));
        if let (Some(pace), false) = (pace, steps.is_empty() || rest.is_empty()) {
            steps.push_back(Step::Sleep(pace));
        }
        while let Some((at, ms)) = stalls.next_if(|(at, _)| *at < sent + rest.len()) {
            let before = rest.split_to(at.saturating_sub(sent));
            sent += before.len();
            push(&mut steps, before);
            steps.push_back(stall(ms));
        }
        sent += rest.len();
        push(&mut steps, rest);
    }
    for (at, ms) in stalls {
        // A stall behind a cut never happens.
        if cut.is_none_or(|cut| at <= cut) {
            steps.push_back(stall(ms));
        }
    }
    if cut.is_some() {
        steps.push_back(Step::Abort);
    }
    steps
}

fn push(steps: &mut VecDeque<Step>, bytes: Bytes) {
    if !bytes.is_empty() {
        steps.push_back(Step::Send(bytes));
    }
}

fn stall(ms: Option<u64>) -> Step {
    ms.map_or(Step::Forever, |ms| Step::Sleep(Duration::from_millis(ms)))
}

/// The body that takes the steps in order.
pub(crate) fn body(steps: VecDeque<Step>, connection: Arc<Connection>) -> Body {
    Body::from_stream(stream::unfold(
        (steps, connection),
        |(mut steps, connection)| async move {
            loop {
                // hyper writes to the socket only when the body makes it wait: so what went
                // before is on its way, as its own write, before the next step.
                tokio::task::yield_now().await;
                match steps.pop_front()? {
                    Step::Send(bytes) => return Some((Ok(bytes), (steps, connection))),
                    Step::Sleep(time) => tokio::time::sleep(time).await,
                    Step::Forever => std::future::pending::<()>().await,
                    Step::Abort => {
                        connection.flushed().await;
                        let cut = io::Error::from(io::ErrorKind::ConnectionAborted);
                        return Some((Err(cut), (VecDeque::new(), connection)));
                    }
                }
            }
        },
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Step, steps};
    use crate::Fault;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        /// However bytes are split, stalled and cut, those that are sent are a prefix of the body,
        /// whole without a cut, and each stall has its very place.
        #[test]
        fn bytes_are_a_prefix(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..6),
            size in prop::option::of(1_usize..9),
            cut in prop::option::of(0_usize..120),
            stall in prop::option::of(0_usize..120),
        ) {
            let whole = pieces.concat();
            let mut faults = Vec::new();
            faults.extend(size.map(|size| Fault::Rechunk { size }));
            faults.extend(cut.map(|bytes| Fault::DropAfter { bytes }));
            faults.extend(stall.map(|bytes| Fault::StallAfter { bytes, ms: None }));
            let mut sent = Vec::new();
            let mut stalled = None;
            let mut aborted = false;
            for step in steps(pieces, &faults) {
                prop_assert!(!aborted, "nothing comes behind a cut");
                match step {
                    Step::Send(bytes) => {
                        prop_assert!(!bytes.is_empty());
                        prop_assert!(size.is_none_or(|size| bytes.len() <= size));
                        sent.extend_from_slice(&bytes);
                    }
                    Step::Forever => stalled = Some(sent.len()),
                    Step::Abort => aborted = true,
                    Step::Sleep(_) => prop_assert!(false, "nobody asked for it"),
                }
            }
            let end = cut.unwrap_or(whole.len()).min(whole.len());
            prop_assert_eq!(&sent, &whole[..end]);
            prop_assert_eq!(aborted, cut.is_some());
            let place = stall
                .filter(|at| cut.is_none_or(|cut| *at <= cut))
                .map(|at| at.min(end));
            prop_assert_eq!(stalled, place);
        }
    }
}
