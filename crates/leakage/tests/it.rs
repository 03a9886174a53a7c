//! The engine from outside.

mod it {
    mod corpus;
    mod enrolled;
    mod evasion;
    mod hostile;
    mod pack;
    mod places;
    mod redact;
    mod validator;
}
