//! Turns the .proto files into Rust, without protoc.

use std::error::Error;

const FILES: [&str; 6] = ["demand", "session", "hosts", "scheduling", "ledger", "link"];

fn main() -> Result<(), Box<dyn Error>> {
    let paths = FILES.map(|name| format!("meridian/v1/{name}.proto"));
    for path in &paths {
        println!("cargo:rerun-if-changed={path}");
    }
    let descriptors = protox::compile(paths, ["."])?;
    tonic_prost_build::configure()
        .bytes(".")
        .codec_path("crate::transport::SmallBuffers")
        .compile_fds(descriptors)?;
    Ok(())
}
