//! The engine from outside.

mod it {
    mod corpus;
    mod enrolled;
    mod evasion;
    mod hostile;
    mod many;
    mod pack;
    mod places;
    mod redact;
    mod validator;
}
