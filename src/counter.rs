//! Numbers that only grow, and tables of them: each with its name and the sentence that explains it, from one source.

use std::sync::atomic::{AtomicU64, Ordering};

/// One number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn add(&self) {
        self.add_all(1);
    }

    /// Adds so many.
    pub fn add_all(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// The number now, which begins anew.
    pub fn take(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }
}

/// What a table of counters holds.
pub trait Count {
    /// The number now.
    fn count(&self) -> u64;
}

impl Count for Counter {
    fn count(&self) -> u64 {
        self.get()
    }
}

impl Count for AtomicU64 {
    fn count(&self) -> u64 {
        self.load(Ordering::Relaxed)
    }
}

/// A counter as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Its name, with the table's prefix.
    pub name: &'static str,
    /// What it counts: its doc comment, line by line.
    pub help: &'static [&'static str],
    /// The number.
    pub count: u64,
}

/// Makes a struct of counters of one type, whose `described()` names each with its doc comment.
macro_rules! counters {
    (
        $(#[$meta:meta])*
        $vis:vis struct $table:ident of $type:ty, named $prefix:literal;
        $($(#[doc = $help:literal])* $name:ident,)*
    ) => {
        $(#[$meta])*
        $vis struct $table { $($(#[doc = $help])* $vis $name: $type,)* }

        impl $table {
            /// Every counter with its name and what it counts.
            $vis fn described(&self) -> impl Iterator<Item = $crate::counter::Counted> + use<> {
                [$($crate::counter::Counted {
                    name: concat!($prefix, stringify!($name)),
                    help: &[$($help),*],
                    count: $crate::counter::Count::count(&self.$name),
                },)*]
                .into_iter()
            }

            /// Every counter with its name.
            $vis fn all(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
                self.described().map(|counted| (counted.name, counted.count))
            }
        }
    };
}

pub(crate) use counters;

#[cfg(test)]
mod tests {
    use super::*;

    counters! {
        #[derive(Debug, Default)]
        struct Two of Counter, named "x_";
        /// Ones.
        one,
        /// Twos, on
        /// two lines.
        two,
    }

    #[test]
    fn a_table_names_its_counters_and_says_what_they_count() {
        let table = Two::default();
        table.two.add();
        table.two.add_all(2);
        let shown: Vec<Counted> = table.described().collect();
        let want = [
            Counted { name: "x_one", help: &[" Ones."], count: 0 },
            Counted { name: "x_two", help: &[" Twos, on", " two lines."], count: 3 },
        ];
        assert_eq!(shown, want);
        assert!(table.all().eq([("x_one", 0), ("x_two", 3)]));
        assert_eq!((table.two.take(), table.two.get()), (3, 0));
    }
}
