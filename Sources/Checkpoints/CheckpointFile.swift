// SPDX-License-Identifier: Apache-2.0

extension Checkpoint {
    /// Stores the checkpoint at `path`, replacing an older one in a single step that cannot be seen half done.
    ///
    /// The bytes are decoded and compared before anything is written, and read back from the disk before they take the place of
    /// the old file. Throws a `CheckpointError`, and then the old file is as it was. Temporary files are called
    /// `NAME.tmp-PROCESS`; the next write removes those of dead processes. One folder belongs to the processes of one machine.
    package func write(to path: String) throws {
        let image = try encoded()
        // Compares bytes rather than values: a loss may be NaN, which equals nothing.
        guard try Checkpoint(decoding: image, name: path).encoded() == image else {
            throw CheckpointError(.notStorable, "cannot write \(path): HDF5 did not give back what was stored; check the HDF5 library")
        }
        try AtomicFile.write(image, to: path)
    }

    /// Reads the checkpoint at `path`, of any version up to the current one.
    ///
    /// Throws a `CheckpointError`.
    ///
    /// Never locks or changes the file, so it may be read while a trial runs.
    package static func read(from path: String) throws -> Checkpoint {
        try Checkpoint(decoding: AtomicFile.readWhole(path, limit: Layout.maximumFileBytes), name: path)
    }
}
