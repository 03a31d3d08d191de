// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Notices that mapped files are written in place while they are in use.
///
/// A file that is replaced by another is none of our concern: what is mapped stays what it was.
package struct FileWatch: Sendable {
    private struct Stamp: Sendable, Equatable {
        let device: UInt, inode: UInt, size: Int, seconds: Int, nanoseconds: Int

        init?(_ path: String) {
            var status = stat()
            guard stat(path, &status) == 0 else { return nil }
            (device, inode, size) = (UInt(status.st_dev), UInt(status.st_ino), Int(status.st_size))
            (seconds, nanoseconds) = (status.st_mtim.tv_sec, status.st_mtim.tv_nsec)
        }
    }

    private let files: [(path: String, stamp: Stamp)]

    /// To be made before the files are mapped; those that are not there are not watched.
    package init(_ paths: [String]) {
        files = paths.compactMap { path in Stamp(path).map { (path, $0) } }
    }

    /// - Throws: `ModelFileError` with the code `changed` for a file that has been written since.
    package func check() throws(ModelFileError) {
        for (path, stamp) in files {
            guard let now = Stamp(path), now.device == stamp.device, now.inode == stamp.inode, now != stamp else { continue }
            throw ModelFileError(
                .changed, "was changed in place while it was in use; nothing computed since counts. Replace files by renaming new ones",
                path: path)
        }
    }
}
