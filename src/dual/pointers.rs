//! Implements the traits of containers, stores, sources and transports for `Arc` and `Box`.

/// Implements a trait for `Arc` and `Box`, from its list of methods. A tidy test compares the list with the trait: a
/// provided method that is missing here would not be forwarded.
macro_rules! pointers {
    ($trait:ident { $($methods:tt)* }) => {
        forward!([Arc] $trait { $($methods)* });
        forward!([Box] $trait { $($methods)* });
    };
}

macro_rules! forward {
    ([$pointer:ident] $trait:ident { $($methods:tt)* }) => {
        forward!([$pointer] $trait () $($methods)*);
    };
    // One method after the other moves into the parentheses.
    ([$pointer:ident] $trait:ident ($($done:tt)*)
        async fn $name:ident(&self $(, $argument:ident: $type:ty)* $(,)?) $(-> $result:ty)?; $($rest:tt)*
    ) => {
        forward!([$pointer] $trait (
            $($done)*
            async fn $name(&self $(, $argument: $type)*) $(-> $result)? {
                T::$name(self $(, $argument)*).await
            }
        ) $($rest)*);
    };
    ([$pointer:ident] $trait:ident ($($done:tt)*)
        fn $name:ident(&self $(, $argument:ident: $type:ty)* $(,)?) $(-> $result:ty)?; $($rest:tt)*
    ) => {
        forward!([$pointer] $trait (
            $($done)*
            fn $name(&self $(, $argument: $type)*) $(-> $result)? {
                T::$name(self $(, $argument)*)
            }
        ) $($rest)*);
    };
    ([$pointer:ident] $trait:ident ($($done:tt)*)) => {
        #[maybe_async]
        impl<T: $trait + ?Sized> $trait for $pointer<T> { $($done)* }
    };
}
