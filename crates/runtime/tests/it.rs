//! The call path from outside, on ports in memory and an adapter that follows a script.

mod it {
    mod calls;
    mod consent;
    mod fake;
    mod home;
    mod reactor;
    mod registry;
    mod retries;
    mod roles;
    mod sessions;
    mod structured;
    mod swap;
    mod tools;
}
