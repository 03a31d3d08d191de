// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A file under construction that appears under its name only when it is whole and on disk.
///
/// Bytes go to a hidden temporary file beside the target; `commit()` syncs it, renames it and syncs the folder.
/// Without a commit the temporary file is removed and whatever was at the path stays.
package final class AtomicFile {
    private static let bufferLimit = 1 << 20

    private let path: String
    private let temporaryPath: String
    private var descriptor: Int32
    private var buffer: [UInt8] = []
    /// Bytes appended so far.
    package private(set) var count = 0

    /// Creates the temporary file.
    ///
    /// - Throws: `ModelFileError` when the folder does not exist or cannot be written.
    package init(path: String) throws(ModelFileError) {
        self.path = path
        let (folder, name) = Self.split(path)
        guard !name.isEmpty else { throw ModelFileError(.inputOutput, "is not a file name", path: path) }
        var status = stat()
        if stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
            throw ModelFileError(.inputOutput, "is a folder; give the path of a file", path: path)
        }
        // O_EXCL with a random part: never follows or reuses what somebody else put there. 0666 leaves rights to the umask.
        // The name is cut so that the random part always fits the 255 bytes of a file name.
        let stem = String(decoding: name.utf8.prefix(200), as: UTF8.self)
        let random = String(UInt64.random(in: .min ... .max), radix: 36)
        temporaryPath = folder + "/." + stem + "." + random + ".partial"
        descriptor = open(temporaryPath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw .system("create a file in the folder \(folder)", path, errno: errno) }
    }

    deinit {
        guard descriptor >= 0 else { return }
        _ = close(descriptor)
        _ = unlink(temporaryPath)
    }

    /// Writes a whole file at once.
    package static func write(_ bytes: [UInt8], to path: String) throws(ModelFileError) {
        let file = try AtomicFile(path: path)
        try file.append(bytes)
        try file.commit()
    }

    package func append(_ bytes: [UInt8]) throws(ModelFileError) {
        buffer.append(contentsOf: bytes)
        count += bytes.count
        if buffer.count >= Self.bufferLimit { try flush() }
    }

    /// Makes the file visible under its path, durably; nothing may be appended afterwards.
    package func commit() throws(ModelFileError) {
        precondition(descriptor >= 0, "commit called twice")
        try flush()
        guard fsync(descriptor) == 0 else { throw .system("write to disk", path, errno: errno) }
        guard rename(temporaryPath, path) == 0 else { throw .system("rename the finished file", path, errno: errno) }
        let closed = close(descriptor)
        descriptor = -1
        guard closed == 0 else { throw .system("close the file", path, errno: errno) }
        let folder = open(Self.split(path).folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { throw .system("open the folder", path, errno: errno) }
        defer { _ = close(folder) }
        guard fsync(folder) == 0 else { throw .system("write the folder to disk", path, errno: errno) }
    }

    private func flush() throws(ModelFileError) {
        var written = 0
        while written < buffer.count {
            let result = buffer.withUnsafeBytes { bytes in
                Glibc.write(descriptor, bytes.baseAddress.map { $0 + written }, bytes.count - written)
            }
            if result < 0 {
                if errno == EINTR { continue }
                throw .system("write", path, errno: errno)
            }
            written += result
        }
        buffer.removeAll(keepingCapacity: true)
    }

    private static func split(_ path: String) -> (folder: String, name: String) {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return (".", path) }
        let folder = slash == path.startIndex ? "/" : String(path[..<slash])
        return (folder, String(path[path.utf8.index(after: slash)...]))
    }
}
