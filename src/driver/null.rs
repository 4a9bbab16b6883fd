//! Who makes `Null`s: nobody, unless something is put in its place.
//!
//! The trait is that of a cloud whose things are called what it likes: to make one twice is to have two.
//! So whoever makes one hands over a token that stays the same until it is known what came of it, and
//! can ask what was made for that token.

use std::fmt::Debug;

use futures::future::{BoxFuture, FutureExt as _, ready};
use serde_json::Value;

use super::Fallible;

/// Makes things under names of its own.
pub trait Maker: Debug + Send + Sync {
    /// The ids of all that was made for this token and is still there.
    fn find<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Fallible<Vec<String>>>;

    /// Makes one, and gives its id. The same token again makes another.
    fn create<'a>(&'a self, token: &'a str, input: &'a Value) -> BoxFuture<'a, Fallible<String>>;

    /// Changes one; `false` = it is not there.
    fn update<'a>(&'a self, id: &'a str, input: &'a Value) -> BoxFuture<'a, Fallible<bool>>;

    /// Takes one away, if it is there.
    fn delete<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Fallible<()>>;
}

/// Makes nothing, and calls it by its token.
#[derive(Debug)]
pub struct Nowhere;

impl Maker for Nowhere {
    fn find<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Fallible<Vec<String>>> {
        ready(Ok(Vec::new())).boxed()
    }

    fn create<'a>(&'a self, token: &'a str, _: &'a Value) -> BoxFuture<'a, Fallible<String>> {
        ready(Ok(token.to_owned())).boxed()
    }

    fn update<'a>(&'a self, _: &'a str, _: &'a Value) -> BoxFuture<'a, Fallible<bool>> {
        ready(Ok(true)).boxed()
    }

    fn delete<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Fallible<()>> {
        ready(Ok(())).boxed()
    }
}
