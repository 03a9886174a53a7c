//! The kit held against itself.

mod it {
    mod canary;
    mod capture;
    mod memory;
    mod world;
}
