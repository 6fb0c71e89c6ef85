//! Kinds of machines.

/// A kind of machine, and how many hosts are of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostShape {
    /// Its name, as of a cloud's kind of instance.
    pub instance_type: String,
    /// Its share among all kinds.
    pub weight: u32,
    /// Cores.
    pub cores: u32,
    /// Memory in GiB.
    pub memory_gib: u32,
    /// Disk for images and logs of pods in GiB.
    pub disk_gib: u32,
    /// GPUs, as the extended resource `nvidia.com/gpu`.
    pub gpus: u32,
    /// Their model, for a label; empty without GPUs.
    pub gpu_model: String,
}

impl HostShape {
    /// What a region of mixed machines has: mostly small ones, some large, one in fifty with GPUs.
    #[must_use]
    pub fn mixed() -> Vec<Self> {
        let plain = |weight, cores, memory_gib, disk_gib| Self {
            instance_type: format!("general-{cores}x{memory_gib}"),
            weight,
            cores,
            memory_gib,
            disk_gib,
            gpus: 0,
            gpu_model: String::new(),
        };
        let with_gpus = |weight, cores, memory_gib, gpus, model: &str| Self {
            instance_type: format!("gpu-{gpus}-{cores}x{memory_gib}"),
            gpus,
            gpu_model: model.to_owned(),
            ..plain(weight, cores, memory_gib, 1000)
        };
        vec![
            plain(40, 4, 16, 100),
            plain(30, 8, 32, 100),
            plain(20, 16, 64, 200),
            plain(8, 32, 128, 400),
            with_gpus(1, 32, 128, 4, "NVIDIA-L4"),
            with_gpus(1, 96, 768, 8, "NVIDIA-H100-80GB-HBM3"),
        ]
    }
}
