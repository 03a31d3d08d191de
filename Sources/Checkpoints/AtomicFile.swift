// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// Replaces files so that every reader at any time, also after a crash or a power failure, sees a whole old or a whole new one.
enum AtomicFile {
    /// The moments between which a write can die.
    ///
    /// Tests stop it at each.
    enum Stage: CaseIterable, Sendable {
        case created, written, synced, compared, renamed, done
    }

    /// Threads of this process would use the same temporary name.
    private static let turn = Mutex(())

    /// Writes `bytes` beside `path`, syncs, compares what the file now holds, renames it, and syncs the folder.
    ///
    /// If anything fails, the old file is untouched, the temporary one is removed, and a `CheckpointError` says why.
    static func write(_ bytes: [UInt8], to path: String, reached: (Stage) throws -> Void = { _ in }) throws {
        let (folder, name) = split(path)
        try turn.withLock { _ in
            removeLeftovers(of: name, in: folder)
            let temporary = "\(folder)/\(name).tmp-\(getpid())"
            do {
                try fill(temporary, with: bytes, for: path, reached: reached)
                guard try readWhole(temporary, limit: bytes.count) == bytes else {
                    throw CheckpointError(
                        .inaccessible, "cannot write \(path): the disk returned other bytes than were written; replace the disk")
                }
                try reached(.compared)
                guard rename(temporary, path) == 0 else { throw failure("cannot write", path) }
            } catch {
                unlink(temporary)
                throw error
            }
            try reached(.renamed)
            try syncFolder(folder, for: path)
            try reached(.done)
        }
    }

    /// All bytes of the regular file at `path`, if they are at most `limit`.
    static func readWhole(_ path: String, limit: Int) throws -> [UInt8] {
        // Without O_NONBLOCK, opening a pipe would wait for somebody to write to it.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw failure("cannot read", path) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure("cannot read", path) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw CheckpointError(.inaccessible, "cannot read \(path): it is not a regular file")
        }
        let size = Int(status.st_size)
        guard size <= limit else {
            throw CheckpointError(.damaged, "\(path): \(size) bytes, expected a checkpoint of at most \(limit)")
        }
        return try [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            while count < size {
                let received = Glibc.read(descriptor, buffer.baseAddress.map { $0 + count }, size - count)
                if received < 0 && errno == EINTR { continue }
                guard received >= 0 else { throw failure("cannot read", path) }
                if received == 0 { break }
                count += received
            }
        }
    }

    private static func fill(_ temporary: String, with bytes: [UInt8], for path: String, reached: (Stage) throws -> Void) throws {
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw failure("cannot write", path) }
        var isOpen = true
        defer { if isOpen { close(descriptor) } }
        try reached(.created)
        try bytes.withUnsafeBytes { buffer in
            var position = 0
            while position < buffer.count {
                let written = Glibc.write(descriptor, buffer.baseAddress.map { $0 + position }, buffer.count - position)
                if written < 0 && errno == EINTR { continue }
                guard written > 0 else { throw failure("cannot write", path) }
                position += written
            }
        }
        try reached(.written)
        guard fsync(descriptor) == 0 else { throw failure("cannot write", path) }
        isOpen = false
        // Network file systems report a full disk only here.
        guard close(descriptor) == 0 else { throw failure("cannot write", path) }
        try reached(.synced)
    }

    private static func syncFolder(_ folder: String, for path: String) throws {
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("cannot sync the folder of", path) }
        defer { close(descriptor) }
        // Some file systems cannot sync a folder and say so with EINVAL; they have nothing better to offer.
        guard fsync(descriptor) == 0 || errno == EINVAL else { throw failure("cannot sync the folder of", path) }
    }

    /// Removes the temporary files that processes left which died while writing this very file.
    private static func removeLeftovers(of name: String, in folder: String) {
        guard let entries = opendir(folder) else { return }
        defer { closedir(entries) }
        let prefix = "\(name).tmp-"
        while let entry = readdir(entries) {
            let found = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            guard found.hasPrefix(prefix), let process = pid_t(found.dropFirst(prefix.count)), process > 0 else { continue }
            // Our own number on a file that we are not writing belonged to a process before us.
            let isDead = process == getpid() || (kill(process, 0) != 0 && errno == ESRCH)
            if isDead { unlink("\(folder)/\(found)") }
        }
    }

    private static func split(_ path: String) -> (folder: String, name: String) {
        guard let slash = path.lastIndex(of: "/") else { return (".", path) }
        return (slash == path.startIndex ? "/" : String(path[..<slash]), String(path[path.index(after: slash)...]))
    }

    /// The error for `errno`, which must be read before anything else can change it.
    private static func failure(_ action: String, _ path: String) -> CheckpointError {
        let number = errno
        let reason = String(cString: strerror(number))
        let advice =
            switch number {
            case ENOENT: "; check the path"
            case ENOSPC, EDQUOT, EFBIG: "; free some space"
            case EACCES, EPERM, EROFS: "; check the permissions"
            default: ""
            }
        return CheckpointError(number == ENOENT ? .notFound : .inaccessible, "\(action) \(path): \(reason)\(advice)")
    }
}
