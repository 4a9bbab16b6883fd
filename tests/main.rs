//! The one integration-test binary: `pure::` needs nothing, `real::` starts control planes.

mod pure {
    mod schemas;
    mod sizes;
}

mod real {
    mod cli;
    mod existing;
    mod home;
    mod kubernetes_driver;
    mod local_driver;
}
