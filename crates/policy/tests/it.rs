//! The crate from outside.

mod it {
    mod corpora;
    mod retry;
    mod rules;
    mod second_hand;
}
