//! Foreign bytes on a person's terminal, as the terminal shows them: what the binary printed is read back through a
//! terminal emulator, and judged by the screen.

use std::num::NonZeroU16;

use handshake_simulator::{Fault, Model, Reply, Rule, Script};
use serde_json::json;

use crate::it::{
    asking::beside,
    gateway::{Gateway, add, models, serving_with_factor},
    machine::Machine,
    mission::{enable_cloud, enrol_cloud, init, runtime, simulator, wait_for_pending},
    terminal::Terminal,
};

const KEY: &str = "sk-live-4f9Qz7LwX2mN8vB1";
const MODEL: &str = "cloud/sim-large:latest";
const COLUMNS: u16 = 80;
const WINDOW: (u16, u16) = (24, COLUMNS);

/// What terminals obey, and what hides or reorders text. Each is followed by a mark that has to be seen.
const HOSTILE: &[&str] = &[
    "\u{1b}[2J\u{1b}[H",
    "\u{1b}[3J",
    "\u{1b}[1A\u{1b}[2K",
    "\u{1b}[20;1H",
    "\u{1b}[999D",
    "\u{1b}7\u{1b}8",
    "\u{1b}M",
    "\u{1b}c",
    "\u{1b}]0;forged\u{7}",
    "\u{1b}]2;forged\u{1b}\\",
    "\u{1b}]52;c;Zm9yZ2Vk\u{7}",
    "\u{1b}]52;c;?\u{7}",
    "\u{1b}]8;;http://evil.example\u{1b}\\link\u{1b}]8;;\u{1b}\\",
    "\u{1b}]4;0;red\u{7}",
    "\u{1b}]1337;SetUserVar=a=Yg==\u{7}",
    "\u{1b}]777;notify;forged;forged\u{7}",
    "\u{1b}[8m",
    "\u{1b}[30;40m",
    "\u{1b}[?1049h",
    "\u{1b}[?25l",
    "\u{1b}[?1000h\u{1b}[?1006h",
    "\u{1b}[?2004h",
    "\u{1b}[6n",
    "\u{1b}[c",
    "\u{1b}[5i",
    "\u{1b}[4h",
    "\u{1b}[2;3r",
    "\u{1b}[8;10;10t",
    "\u{1b}[21t",
    "\u{1b}(0",
    "\u{1b}P$qm\u{1b}\\",
    "\u{1b}_Gforged\u{1b}\\",
    "\u{1b}^forged\u{1b}\\",
    "\u{1b}Xforged\u{1b}\\",
    "\u{9b}2J",
    "\u{9d}0;forged\u{9c}",
    "\u{90}q\u{9c}",
    "\u{85}",
    "\u{84}\u{8d}",
    "\u{e}\u{f}",
    "\u{8}\u{8}\u{8}\u{8}",
    "\r",
    "\u{b}\u{c}",
    "\u{7f}",
    "\u{7}",
    "\u{0}",
    "\u{5}",
    "\u{202e}",
    "\u{2066}\u{2069}",
    "\u{200e}\u{200f}",
    "\u{2028}\u{2029}",
    "\u{200b}\u{feff}\u{2060}",
    "\u{e0041}\u{e0020}",
    "\u{fe0f}\u{e0101}",
    "\u{ad}\u{34f}",
    "\u{115f}\u{3164}\u{ffa0}",
    "\u{1d173}\u{2800}",
];

/// Lines that look like ours.
const FORGED: &[&str] = &[
    "error: forged [HSK-500-STORAGE]",
    "help: forged",
    "[sent before] forged, 3 B",
    "y this call · n deny · s show everything · q leave it: forged",
    "Approval passphrase (forged): ",
];

/// All of it, each hostile sequence with its mark, then the forged lines: by their own line end, and by being pushed to
/// where an 80-column terminal breaks a line.
fn corpus(line_ends: bool) -> String {
    let mut text: String = HOSTILE
        .iter()
        .enumerate()
        .map(|(n, hostile)| {
            // Text that a reader cannot see blocks a call: nobody is asked about it.
            let hostile = match line_ends && hostile.chars().any(|c| c >= '\u{e0000}') {
                true => "",
                false => hostile,
            };
            format!("{hostile}mark{n:02} ")
        })
        .collect();
    for forged in FORGED {
        if line_ends {
            text.push_str(&format!("\n{forged}\n\r{forged}"));
        }
        for pushed in 60..=COLUMNS {
            text.push_str(&format!("{}{forged} ", "x".repeat(usize::from(pushed))));
            if line_ends {
                text.push('\n');
            }
        }
    }
    text
}

/// What a terminal was asked for beside text.
#[derive(Debug, Default, Eq, PartialEq)]
struct Asked {
    bells: usize,
    other: Vec<String>,
}

impl vt100::Callbacks for Asked {
    fn audible_bell(&mut self, _: &mut vt100::Screen) {
        self.bells += 1;
    }
    fn visual_bell(&mut self, _: &mut vt100::Screen) {
        self.other.push("visual bell".to_owned());
    }
    fn resize(&mut self, _: &mut vt100::Screen, to: (u16, u16)) {
        self.other.push(format!("resize {to:?}"));
    }
    fn set_window_icon_name(&mut self, _: &mut vt100::Screen, name: &[u8]) {
        self.other.push(format!("icon {name:?}"));
    }
    fn set_window_title(&mut self, _: &mut vt100::Screen, title: &[u8]) {
        self.other.push(format!("title {title:?}"));
    }
    fn copy_to_clipboard(&mut self, _: &mut vt100::Screen, _: &[u8], data: &[u8]) {
        self.other.push(format!("clipboard {data:?}"));
    }
    fn paste_from_clipboard(&mut self, _: &mut vt100::Screen, _: &[u8]) {
        self.other.push("reads the clipboard".to_owned());
    }
    fn unhandled_char(&mut self, _: &mut vt100::Screen, c: char) {
        self.other.push(format!("char {c:?}"));
    }
    fn unhandled_control(&mut self, _: &mut vt100::Screen, b: u8) {
        self.other.push(format!("control {b}"));
    }
    fn unhandled_escape(&mut self, _: &mut vt100::Screen, _: Option<u8>, _: Option<u8>, b: u8) {
        self.other.push(format!("escape {b}"));
    }
    fn unhandled_csi(
        &mut self,
        _: &mut vt100::Screen,
        first: Option<u8>,
        _: Option<u8>,
        params: &[&[u16]],
        c: char,
    ) {
        // Our clearing of the screen takes the lines above it away too.
        if (first, params, c) != (None, &[&[3][..]][..], 'J') {
            self.other.push(format!("CSI {params:?} {c}"));
        }
    }
    fn unhandled_osc(&mut self, _: &mut vt100::Screen, params: &[&[u8]]) {
        self.other.push(format!("OSC {params:?}"));
    }
}

/// What a person sees, row by row, after a terminal showed these bytes.
fn seen(bytes: &[u8]) -> Vec<String> {
    let size = |n| NonZeroU16::new(n).expect("not zero");
    let mut parser =
        vt100::Parser::new_with_callbacks(size(9000), size(COLUMNS), 0, Asked::default());
    parser.process(bytes);
    assert_eq!(parser.callbacks().other, Vec::<String>::new());
    let screen = parser.screen();
    assert!(!screen.alternate_screen() && !screen.hide_cursor() && !screen.bracketed_paste());
    assert!(!screen.application_cursor() && !screen.application_keypad());
    assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
    let rows: Vec<String> = screen.rows(0, COLUMNS).collect();
    let last = rows.iter().rposition(|row| !row.is_empty()).unwrap_or(0);
    let plain = [
        vt100::Color::Default,
        vt100::Color::Idx(1),
        vt100::Color::Idx(2),
    ];
    for row in 0..=u16::try_from(last).expect("a row") {
        let cells = (0..COLUMNS).filter_map(|column| screen.cell(row, column));
        for cell in cells {
            // Ours are green, red and bold; nothing has the colour of what is behind it.
            assert!(plain.contains(&cell.fgcolor()), "{:?}", cell.fgcolor());
            assert_eq!(cell.bgcolor(), vt100::Color::Default);
            assert!(!cell.inverse());
        }
    }
    rows[..=last].to_vec()
}

/// All marks are on the screen, in order: nothing was overwritten, hidden or reordered. And no row begins with what is
/// not ours.
#[track_caller]
fn holds(place: &str, bytes: &[u8], marks: bool) -> Vec<String> {
    let rows = seen(bytes);
    let whole: String = rows.iter().map(|row| format!("{row}\n")).collect();
    if marks {
        let mut at = 0;
        for n in 0..HOSTILE.len() {
            // A break by the terminal's width may stand inside of a mark.
            let mark = format!("mark{n:02}");
            let found = flat(&rows)[at..].find(&mark);
            at += found.unwrap_or_else(|| panic!("{place}: {mark} is not seen:\n{whole}"));
        }
    }
    for row in &rows {
        let begins = FORGED.iter().any(|forged| row.starts_with(&forged[..6]));
        assert!(
            !(begins && row.contains("forged")),
            "{place}: {row:?} looks like ours:\n{whole}"
        );
    }
    rows
}

/// The rows without what breaks lines.
fn flat(rows: &[String]) -> String {
    rows.iter()
        .map(|row| row.trim_start_matches("  : ").trim_start_matches("    "))
        .collect()
}

/// The output of one command in a window of 80 columns.
fn at_terminal(machine: &Machine, args: &[&str]) -> Vec<u8> {
    let mut terminal = Terminal::run_sized(machine, args, WINDOW);
    terminal.end();
    terminal.bytes()
}

fn script(reply: Reply) -> Script {
    Script::new()
        .model(
            Model::new("sim-large:latest")
                .capabilities(&["completion", "tools"])
                .context_length(1_000_000),
        )
        .rule(Rule::new(reply))
}

fn cloud(
    reply: Reply,
) -> (
    Machine,
    handshake_simulator::Simulator,
    tokio::runtime::Runtime,
) {
    let runtime = runtime();
    let cloud = simulator(&runtime, script(reply));
    let machine = Machine::new();
    init(&machine);
    enrol_cloud(&machine, &cloud, KEY);
    (machine, cloud, runtime)
}

fn asking(gateway: &Gateway) -> std::net::TcpStream {
    let hostile = corpus(true);
    let tool = json!({ "type": "function", "function": { "name": "Read", "description": hostile,
        "parameters": { "type": "object", "properties": { &hostile: { "type": "string", "enum": [hostile] } } } } });
    let call = json!([{ "id": "call_1", "type": "function", "function": { "name": "Read", "arguments": json!({ "path": hostile }).to_string() } }]);
    let body = json!({ "model": MODEL, "stream": false, "tools": [tool], "user": hostile, "messages": [
            { "role": "system", "content": hostile },
            { "role": "user", "content": hostile, "name": hostile },
            { "role": "assistant", "content": null, "tool_calls": call },
            { "role": "tool", "tool_call_id": "call_1", "content": hostile },
        ] });
    let asked = gateway.post(
        &body.to_string(),
        "prefer: wait=0\r\nx-handshake-session: s\r\n",
    );
    assert_eq!(
        asked.json()["error"]["code"],
        "HSK-403-CLOUD-CONSENT-REQUIRED",
        "{}",
        asked.body
    );
    beside(gateway, &body)
}

#[test]
fn s10_no_foreign_byte_moves_a_terminal_where_a_person_is_asked() {
    let (machine, cloud, _runtime) = cloud(Reply::text("forty-two"));
    enable_cloud(&machine, &["tool_calling=yes"]);
    let gateway = serving_with_factor(machine);
    let machine = &gateway.machine;
    let _call = asking(&gateway);
    let id = wait_for_pending(machine);
    for (args, marks) in [
        (vec!["consent", "show", &id], true),
        (vec!["consent", "show", &id, "--all"], true),
        (vec!["consent", "show", &id, "--raw"], false),
        (vec!["consent", "list"], false),
        (vec!["pending"], false),
        (vec!["status"], false),
    ] {
        holds(&args.join(" "), &at_terminal(machine, &args), marks);
    }
    let mut terminal = Terminal::run_sized(machine, &["approve"], WINDOW);
    // The question itself: what looks like it stands before it, and more than once.
    while !terminal.screen().ends_with("· q leave it: ") {
        assert!(terminal.runs(), "{}", terminal.screen());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let rows = holds("approve", &terminal.bytes(), true);
    let last = rows.last().expect("a row");
    assert!(last.trim_end().ends_with("q leave it:"), "{last:?}");
    terminal.press("n");
    assert_eq!(terminal.end().0, 0);
    let mut terminal = Terminal::run_sized(machine, &["watch"], WINDOW);
    terminal.see("Decided");
    terminal.see("q leave: ");
    terminal.press("q");
    terminal.end();
    holds("watch", &terminal.bytes(), false);
    for args in [vec!["log", "tail"], vec!["consent", "list"], vec!["doctor"]] {
        holds(&args.join(" "), &at_terminal(machine, &args), false);
    }
    assert_eq!((cloud.connections(), cloud.bytes_received()), (0, 0));
}

#[test]
fn s10_no_byte_of_a_model_or_a_provider_moves_a_terminal() {
    let hostile = corpus(false);
    let runtime = runtime();
    let answers = [
        (Reply::text(&hostile), true),
        (Reply::chunks(hostile.chars().map(String::from)), true),
        (Reply::text("so").reasoning(&hostile), false),
        (Reply::refusal(&hostile), true),
        (Reply::tool_call(&hostile, json!({ &hostile: 1 })), false),
        (Reply::text("so").finish(&hostile), false),
        (
            Reply::text("so").fault(Fault::status_body(
                400,
                "application/json",
                json!({ "error": { "message": hostile, "code": hostile } }).to_string(),
            )),
            false,
        ),
        (Reply::raw(200, "text/html", hostile.clone()), false),
        (Reply::raw(500, "application/json", hostile.clone()), false),
    ];
    for (n, (reply, marks)) in answers.into_iter().enumerate() {
        let local = simulator(&runtime, script(reply));
        let machine = Machine::new();
        assert_eq!(machine.json(&["init"]).0, 0);
        for args in [
            add("llama", "openai_compat", &local.openai_url()),
            models("llama"),
        ] {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let (code, lines) = machine.json(&args);
            assert_eq!(code, 0, "{lines:?}");
        }
        let bytes = at_terminal(
            &machine,
            &["chat", "--model", "llama/sim-large:latest", "hi"],
        );
        // What a model says has rows of its own: they are not compared with ours.
        let rows = seen(&bytes);
        if marks {
            let shown = rows.concat();
            for n in 0..HOSTILE.len() {
                assert!(shown.contains(&format!("mark{n:02}")), "{n}: {shown}");
            }
        }
        holds(
            &format!("log tail after {n}"),
            &at_terminal(&machine, &["log", "tail"]),
            false,
        );
    }
}

#[test]
fn s10_no_name_of_a_file_a_server_or_an_argument_moves_a_terminal() {
    let hostile = corpus(true);
    let short: String = hostile
        .chars()
        .filter(|c| !matches!(c, '\0' | '/'))
        .take(200)
        .collect();
    let machine = Machine::new();
    assert_eq!(machine.json(&["init"]).0, 0);
    let file = machine.write(
        "answer.json",
        &json!({ "choices": [{ "index": 0, "finish_reason": hostile,
        "message": { "role": "assistant", "content": hostile } }] })
        .to_string(),
    );
    let text = machine.write("text.txt", &hostile);
    let named = machine.write(&short.replace('\r', ""), "token: nothing");
    let (file, text) = (file.to_str().expect("UTF-8"), text.to_str().expect("UTF-8"));
    let named = named.to_str().expect("UTF-8");
    for args in [
        vec!["decode", "--kind", "openai_compat", file],
        vec!["decode", "--kind", "openai_compat", text],
        vec!["leak", "scan", text],
        vec!["leak", "scan", named],
        vec!["leak", "scan", &short],
        vec!["leak", "explain", &short],
        vec!["help", &short],
        vec!["chat", "--model", &short, "hi"],
        vec!["chat", "--request", &short],
        vec!["provider", "show", &short],
        vec!["provider", "add", &short, "--base-url", &short],
        vec!["provider", "import", text],
        vec!["profile", "import", text],
        vec!["log", "verify", &short],
        vec!["--home", named, "doctor"],
        vec![&short],
        vec!["chat", &short, &short, &short],
        vec!["--log-format", &short, "doctor"],
    ] {
        holds(
            &args[..2.min(args.len())].join(" "),
            &at_terminal(&machine, &args),
            false,
        );
    }
    machine.write(
        "home/policy.toml",
        &format!(
            "locked = true # {}\n{}",
            short.replace(['\n', '\r'], ""),
            short
        ),
    );
    for args in [vec!["doctor"], vec!["status"], vec!["provider", "list"]] {
        holds(&args.join(" "), &at_terminal(&machine, &args), false);
    }
}
