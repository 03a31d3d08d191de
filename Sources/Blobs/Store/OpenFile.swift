// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc

/// What tells whether a file is still the one that was looked at.
struct FileIdentity: Sendable, Hashable, Codable {
    var device: UInt64
    var inode: UInt64
    var size: Int64
    /// Nanoseconds since 1970.
    var modified: Int64

    init(_ status: stat) {
        device = UInt64(truncatingIfNeeded: status.st_dev)
        inode = UInt64(truncatingIfNeeded: status.st_ino)
        size = Int64(status.st_size)
        modified = Int64(status.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_mtim.tv_nsec)
    }
}

/// A descriptor that closes itself.
final class OpenFile: Sendable {
    let descriptor: Int32
    let path: String

    private init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    deinit { close(descriptor) }

    /// Opens a regular file for reading.
    static func reading(_ path: String) throws(BlobError) -> OpenFile {
        // Without O_NONBLOCK, opening a pipe would wait for somebody to write to it.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else { throw .system("read", path) }
        let file = OpenFile(descriptor: descriptor, path: path)
        guard try file.status().st_mode & S_IFMT == S_IFREG else {
            throw BlobError(.storage, "cannot read \(path): it is not a regular file")
        }
        return file
    }

    /// Opens a file for writing, and makes it if need be.
    static func writing(_ path: String, mustBeNew: Bool = false) throws(BlobError) -> OpenFile {
        let flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (mustBeNew ? O_EXCL : 0)
        let descriptor = open(path, flags, 0o600)
        guard descriptor >= 0 else { throw .system("write", path) }
        return OpenFile(descriptor: descriptor, path: path)
    }

    func status() throws(BlobError) -> stat {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .system("read", path) }
        return status
    }

    func identity() throws(BlobError) -> FileIdentity { FileIdentity(try status()) }

    /// Takes the file for this process; false when another one, or another writer of this one, has it.
    func tryLock() -> Bool { flock(descriptor, LOCK_EX | LOCK_NB) == 0 }

    /// At most `length` bytes from `offset` on; fewer only at the end.
    func read(at offset: Int64, length: Int) throws(BlobError) -> Data {
        guard length > 0 else { return Data() }
        // Not zeroed first, as Data(count:) would be.
        guard let memory = malloc(length) else { throw BlobError(.storage, "no memory for \(length) bytes of \(path)") }
        do throws(BlobError) {
            let count = try fill(UnsafeMutableRawBufferPointer(start: memory, count: length), at: offset)
            return Data(bytesNoCopy: memory, count: count, deallocator: .free)
        } catch {
            free(memory)
            throw error
        }
    }

    /// Reads until the buffer is full or the file ends.
    func fill(_ buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(BlobError) -> Int {
        var done = 0
        while done < buffer.count {
            let count = pread(descriptor, buffer.baseAddress.map { $0 + done }, buffer.count - done, off_t(offset) + off_t(done))
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw .system("read", path) }
            if count == 0 { break }
            done += count
        }
        return done
    }

    func write(_ data: Data, at offset: Int64) throws(BlobError) {
        let failure: Int32 = data.withUnsafeBytes { buffer in
            var done = 0
            while done < buffer.count {
                let count = pwrite(descriptor, buffer.baseAddress.map { $0 + done }, buffer.count - done, off_t(offset) + off_t(done))
                if count < 0 && errno == EINTR { continue }
                if count <= 0 { return count < 0 ? errno : ENOSPC }
                done += count
            }
            return 0
        }
        if failure != 0 { throw .system("write", path, failure) }
    }

    func sync() throws(BlobError) {
        guard fsync(descriptor) == 0 else { throw .system("write", path) }
    }

    /// The digest of the first `length` bytes.
    ///
    /// - Parameter isCancelled: asked now and then.
    func hash(length: Int64, isCancelled: () -> Bool = { false }) throws(BlobError) -> BlobHasher {
        let block = 1 << 20
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: block, alignment: 4096)
        defer { buffer.deallocate() }
        posix_fadvise(descriptor, 0, 0, POSIX_FADV_SEQUENTIAL)
        var hasher = BlobHasher()
        var offset: Int64 = 0
        while offset < length {
            guard !isCancelled() else { throw .cancelled }
            let wanted = Int(min(Int64(block), length - offset))
            let count = try fill(UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]), at: offset)
            guard count == wanted else { throw BlobError(.wrongBytes, "\(path): the file became shorter while it was read") }
            hasher.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            offset += Int64(count)
        }
        return hasher
    }
}

/// Operations on paths.
enum Disk {
    static func makeFolder(_ path: String) throws(BlobError) {
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            var error = error as NSError
            while let below = error.userInfo[NSUnderlyingErrorKey] as? any Error { error = below as NSError }
            if error.domain == NSPOSIXErrorDomain { throw .system("make the folder", path, Int32(clamping: error.code)) }
            throw BlobError(.storage, "cannot make the folder \(path); check the path and the permissions")
        }
    }

    /// Removes a file or a folder with all that is in it, as far as that is possible.
    static func removeAll(_ path: String) { try? FileManager.default.removeItem(atPath: path) }

    static func syncFolder(_ path: String) throws(BlobError) {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("sync the folder", path) }
        defer { close(descriptor) }
        // Some file systems cannot sync a folder and say so with EINVAL; they have nothing better to offer.
        guard fsync(descriptor) == 0 || errno == EINVAL else { throw .system("sync the folder", path) }
    }

    /// Nil when there is nothing.
    static func status(_ path: String) -> stat? {
        var status = stat()
        return lstat(path, &status) == 0 ? status : nil
    }

    /// Names in a folder, without `.` and `..`; empty when it cannot be read.
    static func names(in folder: String) -> [String] {
        guard let entries = opendir(folder) else { return [] }
        defer { closedir(entries) }
        var names: [String] = []
        while let entry = readdir(entries) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    /// What an ordinary user may still write on the disk below a folder; nil when the system does not say.
    static func freeBytes(at folder: String) -> Int64? {
        var status = statvfs()
        guard statvfs(folder, &status) == 0 else { return nil }
        let (bytes, overflow) = Int64(clamping: status.f_bavail).multipliedReportingOverflow(by: Int64(clamping: status.f_frsize))
        return overflow ? .max : bytes
    }
}

/// Bytes for people, such as `4.0 GB`.
func formatted(bytes: Int64) -> String {
    let units = ["bytes", "kB", "MB", "GB", "TB"]
    var value = Double(bytes)
    var unit = 0
    while value >= 1000, unit < units.count - 1 {
        value /= 1000
        unit += 1
    }
    return unit == 0 ? "\(bytes) bytes" : "\((value * 10).rounded() / 10) \(units[unit])"
}

extension stat {
    /// Nanoseconds since 1970.
    var lastUse: Int64 { Int64(st_atim.tv_sec) &* 1_000_000_000 &+ Int64(st_atim.tv_nsec) }
}

extension Int64 {
    static var nowInNanoseconds: Int64 {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return Int64(now.tv_sec) &* 1_000_000_000 &+ Int64(now.tv_nsec)
    }
}
