// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc

/// Files that hold secrets: nobody but their owner may read them, and they are never half written.
enum PrivateFile {
    /// Makes a folder that only its owner can enter, or checks that the one that is there is such a folder.
    static func makeFolder(_ path: String) throws(AccessError) {
        let parent = (path as NSString).deletingLastPathComponent
        if !parent.isEmpty, access(parent, F_OK) != 0 {
            do {
                try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
            } catch {
                throw AccessError(.system, "\(parent): this folder cannot be made; is its own folder writable?")
            }
        }
        if mkdir(path, 0o700) != 0, errno != EEXIST { throw system("cannot be made", path) }
        try checkFolder(path)
    }

    static func checkFolder(_ path: String) throws(AccessError) {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            throw errno == ENOENT ? AccessError(.notFound, "\(path): there is no such folder") : system("cannot be looked at", path)
        }
        guard status.st_mode & S_IFMT == S_IFDIR else { throw AccessError(.notPrivate, "\(path): is not a folder; remove it") }
        try check(status, path, repair: "chmod 700")
    }

    /// The whole of a private file; nil if there is none.
    static func read(_ path: String, atMost limit: Int) throws(AccessError) -> Data? {
        // Without waiting for a writer, should it be a pipe.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw system("cannot be read", path)
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw system("cannot be read", path) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw AccessError(.invalid, "\(path): is not a file") }
        try check(status, path, repair: "chmod 600")
        var data = Data()
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw system("cannot be read", path) }
            if count == 0 { return data }
            data.append(contentsOf: chunk.prefix(count))
            guard data.count <= limit else {
                throw AccessError(.invalid, "\(path): is larger than \(limit) bytes, so it is not what it should be")
            }
        }
    }

    /// Writes beside `path`, syncs, renames, and syncs the folder: any reader at any time sees the old bytes or the new ones.
    static func write(_ data: Data, to path: String) throws(AccessError) {
        let folder = (path as NSString).deletingLastPathComponent
        let temporary = "\(folder)/.\((path as NSString).lastPathComponent).\(String(UInt64.random(in: 0 ... .max), radix: 36))"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw system("cannot be written", path) }
        let isWritten = writeAll(data, to: descriptor) && fchmod(descriptor, 0o600) == 0 && fsync(descriptor) == 0
        // What goes wrong first is what people have to know: closing may overwrite it.
        let reason = errno
        let isClosed = close(descriptor) == 0
        if !isWritten { errno = reason }
        guard isWritten, isClosed, rename(temporary, path) == 0 else {
            let failure = system("cannot be written", path)
            unlink(temporary)
            throw failure
        }
        let folderDescriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folderDescriptor >= 0 else { throw system("cannot be synced", folder) }
        defer { close(folderDescriptor) }
        guard fsync(folderDescriptor) == 0 || errno == EINVAL else { throw system("cannot be synced", folder) }
    }

    /// Runs `work` while no other process does the same with this lock file.
    static func locked<Value>(_ path: String, _ work: () throws(AccessError) -> Value) throws(AccessError) -> Value {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw system("cannot be locked", path) }
        defer { close(descriptor) }
        var tries = 0
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            guard errno == EWOULDBLOCK || errno == EINTR else { throw system("cannot be locked", path) }
            guard tries < 400 else { throw AccessError(.system, "\(path): somebody else holds this lock; try again") }
            tries += 1
            usleep(5000)
        }
        return try work()
    }

    /// What tells one version of a file from the next; nil if there is no file.
    struct Stamp: Equatable {
        private let numbers: [Int]

        init?(_ path: String) {
            var status = stat()
            guard stat(path, &status) == 0 else { return nil }
            numbers = [
                Int(truncatingIfNeeded: status.st_dev), Int(truncatingIfNeeded: status.st_ino), Int(status.st_size),
                status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec, status.st_ctim.tv_nsec,
            ]
        }
    }

    private static func check(_ status: stat, _ path: String, repair: String) throws(AccessError) {
        guard status.st_uid == geteuid() else {
            throw AccessError(.notPrivate, "\(path): belongs to another user (number \(status.st_uid)); run this as that user")
        }
        guard status.st_mode & 0o077 == 0 else {
            let mode = String(status.st_mode & 0o777, radix: 8)
            throw AccessError(.notPrivate, "\(path): others can get at it (mode \(mode)); it holds secrets, so: \(repair) \(path)")
        }
    }

    private static func writeAll(_ data: Data, to descriptor: Int32) -> Bool {
        var rest = data[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    private static func system(_ what: String, _ path: String) -> AccessError {
        AccessError(.system, "\(path): \(what): \(String(cString: strerror(errno)))")
    }
}
