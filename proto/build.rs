//! Turns the .proto files into Rust, without protoc.

use std::error::Error;

const FILES: [&str; 6] = ["demand", "session", "hosts", "scheduling", "ledger", "link"];

/// What goes over streams: each begins with a hello.
const STREAMED: [&str; 8] = [
    "ReplicaMessage",
    "PartitionMessage",
    "HostFeedRequest",
    "HostFeedResponse",
    "TenantPartitionMessage",
    "HostPartitionMessage",
    "AgentMessage",
    "LinkMessage",
];

fn main() -> Result<(), Box<dyn Error>> {
    let paths = FILES.map(|name| format!("meridian/v1/{name}.proto"));
    for path in &paths {
        println!("cargo:rerun-if-changed={path}");
    }
    let descriptors = protox::compile(paths, ["."])?;
    let mut builder = tonic_prost_build::configure().bytes(".").codec_path("crate::transport::SmallBuffers");
    for message in STREAMED {
        // Said once on a stream, and larger than all else: a channel keeps room for dozens of messages, and links are many.
        builder = builder.boxed(format!(".meridian.v1.{message}.message.hello"));
    }
    builder.compile_fds(descriptors)?;
    Ok(())
}
