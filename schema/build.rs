//! Compiles the record's schema, `event.proto`, without any tool outside cargo.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=event.proto");
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=rollups");
    let descriptors = protox::compile(["event.proto"], ["."])?;
    prost_build::Config::new().compile_fds(descriptors)?;
    Ok(())
}
