//! What the compiler refuses: sending without a clearance, making one, copying one, printing a secret.

use handshake_core::{
    admit::Admitted,
    gate::{Cleared, ClearedControl},
    secret::Secret,
};

/// Compiles only while the type does *not* implement the trait: with it, two impls would fit. Unlike a
/// compile-fail test it does not depend on what the compiler says about it.
macro_rules! assert_not_implemented {
    ($trait:path: $($type:ty),+) => { $(
        const _: fn() = || {
            trait Ambiguous<A> {
                fn some() {}
            }
            impl<T: ?Sized> Ambiguous<()> for T {}
            struct Implemented;
            impl<T: ?Sized + $trait> Ambiguous<Implemented> for T {}
            let _ = <$type as Ambiguous<_>>::some;
        };
    )+ };
}

assert_not_implemented!(Clone: Cleared, ClearedControl, Secret);
assert_not_implemented!(serde::Serialize: Cleared, ClearedControl, Secret);
assert_not_implemented!(serde::de::DeserializeOwned: Cleared, ClearedControl, Secret, Admitted);
assert_not_implemented!(Default: Cleared, ClearedControl, Admitted);
assert_not_implemented!(std::fmt::Display: Cleared, ClearedControl, Secret);
assert_not_implemented!(AsRef<[u8]>: Secret);

#[test]
fn a8_s18_a_clearance_cannot_be_forged_copied_or_left_out() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
