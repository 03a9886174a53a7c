//! What takes two servers.

use super::{
    super::{
        bench::{Bench, Chat, Provider, ensure},
        stream::usage,
    },
    Outcome,
};

/// There, and back.
pub(super) fn swap(bench: &Bench, llama: &Provider, ollama: &Provider) -> Outcome {
    let say = |chat: Chat| chat.flag("--session", "moved").finishes(&bench.hsk);
    say(Chat::new("Remember the colour of the door: it is green.").to(llama.model_ref()))?;
    for (from, to) in [(llama, ollama), (ollama, llama)] {
        let (from, to_ref) = (from.model_ref(), to.model_ref());
        let mut args = vec![
            "swap",
            "--session",
            "moved",
            "--from",
            &from,
            "--to",
            &to_ref,
        ];
        args.extend(["--role", "worker", "--reason", "to see it move"]);
        let swapped = bench.hsk.run(&args)?.exits(0)?;
        ensure(
            swapped.object()?["model"] == to_ref,
            "it should name the new model",
            &swapped,
        )?;
        let (answer, _) = say(Chat::new("What colour?"))?;
        let here =
            answer.lines[0]["provider_id"] == to.id && answer.lines[0]["model_id"] == to.model;
        ensure(here, "the new model should answer", &answer)?;
        // The question alone is some ten tokens with all that templates put around it.
        ensure(
            usage(&answer)?.0 > 30,
            "it should know what was said",
            &answer,
        )?;
    }
    Ok(())
}
