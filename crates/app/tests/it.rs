//! The program as people, scripts and clients use it: the built binary, on machines of its own.

#![expect(
    unreachable_pub,
    reason = "what the modules share with each other is `pub`, and nothing else sees it"
)]

mod it {
    mod asking;
    mod attack;
    mod check_url;
    mod cut;
    mod declassify;
    mod doctor;
    mod emulated;
    mod ending;
    mod escapes;
    mod factor;
    mod flood;
    mod gateway;
    mod hardening;
    mod input;
    mod kinds;
    mod log;
    mod machine;
    mod mission;
    mod provider;
    mod redact;
    mod rules;
    mod servers;
    mod state;
    mod stopping;
    mod terminal;
    mod tls;
    mod token;
    mod trust;
    mod unread;
    mod waive;
    mod watching;
}
