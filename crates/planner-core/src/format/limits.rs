//! How much of a stranger's file is taken.

/// Limits on what is read. The defaults let a plan of a million tasks through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The size of the file in bytes; never more than 4 GiB.
    pub bytes_max: usize,
    /// The length of a line in a format of one entry a line, in bytes.
    pub line_bytes_max: usize,
    /// How deep values are nested in each other; never more than [`Limits::DEPTH_CEILING`], and in YAML never more than 40.
    pub depth_max: usize,
    /// How many values the aliases of a YAML file may stand for in all.
    pub alias_values_max: usize,
    /// How many tasks.
    pub tasks_max: usize,
    /// How many dependencies in all.
    pub dependencies_max: usize,
    /// How many diagnostics of one kind are told; the others are counted.
    pub diagnostics_per_code_max: usize,
}

impl Limits {
    /// The deepest nesting that can be asked for: beyond, a plan could not be read back from where it is stored.
    pub const DEPTH_CEILING: usize = 120;

    /// The names that people set them by.
    pub const NAMES: [&'static str; 7] =
        ["bytes", "line_bytes", "depth", "alias_values", "tasks", "dependencies", "diagnostics"];

    /// Returns the limit of that name, one of [`Limits::NAMES`].
    pub fn named(&mut self, name: &str) -> Option<&mut usize> {
        Some(match name {
            "bytes" => &mut self.bytes_max,
            "line_bytes" => &mut self.line_bytes_max,
            "depth" => &mut self.depth_max,
            "alias_values" => &mut self.alias_values_max,
            "tasks" => &mut self.tasks_max,
            "dependencies" => &mut self.dependencies_max,
            "diagnostics" => &mut self.diagnostics_per_code_max,
            _ => return None,
        })
    }

    pub(super) fn depth(&self) -> usize {
        self.depth_max.min(Self::DEPTH_CEILING)
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes_max.min(u32::MAX as usize - 1)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes_max: 2 << 30,
            line_bytes_max: 16 << 20,
            depth_max: 100,
            alias_values_max: 50_000,
            tasks_max: 4_000_000,
            dependencies_max: 40_000_000,
            diagnostics_per_code_max: 100,
        }
    }
}
