//! How messages are encoded on gRPC streams: as protobuf, in buffers that start small.
//!
//! A stream keeps its buffers for its whole life, and a host partition has a stream for each of its hosts, on which little
//! happens most of the time.

use std::marker::PhantomData;

use prost::Message;
use tonic::codec::{BufferSettings, Codec};
use tonic_prost::{ProstDecoder, ProstEncoder};

/// Bytes that a buffer begins with, and grows by.
const BUFFER: usize = 512;

/// Bytes that are gathered before they are handed to the connection, as tonic has it.
const YIELD: usize = 32 << 10;

/// Sends `Out` and takes `In`.
#[derive(Debug)]
pub(crate) struct SmallBuffers<Out, In>(PhantomData<(Out, In)>);

impl<Out, In> Default for SmallBuffers<Out, In> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<Out, In> Codec for SmallBuffers<Out, In>
where
    Out: Message + 'static,
    In: Message + Default + 'static,
{
    type Encode = Out;
    type Decode = In;
    type Encoder = ProstEncoder<Out>;
    type Decoder = ProstDecoder<In>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::new(BufferSettings::new(BUFFER, YIELD))
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstDecoder::new(BufferSettings::new(BUFFER, YIELD))
    }
}
