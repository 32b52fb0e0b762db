//! The derives of `ws-proto`: `Protocol`, `Requests`, `Channels`, `Events`, `AddressField`.
use proc_macro::TokenStream;

/// See `ws_proto::Protocol`.
#[proc_macro_derive(Protocol, attributes(protocol))]
pub fn protocol(_: TokenStream) -> TokenStream {
    TokenStream::new()
}

/// See `ws_proto::RequestSet`.
#[proc_macro_derive(Requests, attributes(requests, rpc, ws, serde, schemars))]
pub fn requests(_: TokenStream) -> TokenStream {
    TokenStream::new()
}

/// See `ws_proto::ChannelSet`.
#[proc_macro_derive(Channels, attributes(channels, channel, ws, serde, schemars))]
pub fn channels(_: TokenStream) -> TokenStream {
    TokenStream::new()
}

/// See `ws_proto::EventSet`.
#[proc_macro_derive(Events, attributes(events, event, ws, serde, schemars))]
pub fn events(_: TokenStream) -> TokenStream {
    TokenStream::new()
}

/// See `ws_proto::AddressField`.
#[proc_macro_derive(AddressField, attributes(ws))]
pub fn address_field(_: TokenStream) -> TokenStream {
    TokenStream::new()
}
