// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A whole file mapped into memory, read only.
///
/// Nothing is read until it is touched, so opening a 4 GB model costs nothing. The mapping is private to this object and
/// undone when the last reference goes. A file that another program cuts short while it is mapped makes the kernel end the
/// process when the lost part is touched; every writer in this package replaces files by renaming, which is safe.
package final class MappedFile: Sendable {
    package let path: String
    /// Length in bytes.
    package let count: Int
    // Never written after init and readable from any thread: the pages are PROT_READ.
    private nonisolated(unsafe) let base: UnsafeRawPointer?
    /// The pages can be read again: they are a file's.
    private let hasFile: Bool

    /// Opens and maps `path`.
    ///
    /// - Throws: `ModelFileError` when the file is absent, not a regular file, or cannot be mapped.
    package init(path: String) throws(ModelFileError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            let number = errno
            let failure = ModelFileError.system("open the file", path, errno: number)
            throw number == ENOENT || number == ENOTDIR ? ModelFileError(.notFound, failure.message, path: path) : failure
        }
        defer { _ = close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .system("examine the file", path, errno: errno) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw ModelFileError(.inputOutput, "is not a regular file; give the path of a file", path: path)
        }
        self.path = path
        hasFile = true
        count = Int(status.st_size)
        guard count > 0 else {
            base = nil
            return
        }
        let address = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0)
        guard let address, address != MAP_FAILED else { throw .system("map the file", path, errno: errno) }
        base = UnsafeRawPointer(address)
    }

    /// Holds bytes that came another way as if they were a file's.
    ///
    /// - Parameter name: what errors call them.
    package init(copying bytes: [UInt8], name: String) throws(ModelFileError) {
        path = name
        hasFile = false
        count = bytes.count
        guard count > 0 else {
            base = nil
            return
        }
        let address = mmap(nil, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let address, address != MAP_FAILED else { throw .system("make room for the bytes", name, errno: errno) }
        bytes.withUnsafeBytes { if let source = $0.baseAddress { memcpy(address, source, $0.count) } }
        base = UnsafeRawPointer(address)
    }

    deinit {
        if let base { munmap(UnsafeMutableRawPointer(mutating: base), count) }
    }

    /// Calls `body` with the bytes of `range`; the pointer must not outlive the call.
    package func withBytes<Result>(_ range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "range \(range) outside a file of \(count) bytes")
        return try withExtendedLifetime(self) {
            guard let base, !range.isEmpty else { return try body(UnsafeRawBufferPointer(start: nil, count: 0)) }
            return try body(UnsafeRawBufferPointer(start: base + range.lowerBound, count: range.count))
        }
    }

    /// Where byte `offset` lies for as long as this object lives; nil for an empty file.
    package func address(_ offset: Int) -> UnsafeRawPointer? {
        precondition(offset >= 0 && offset <= count, "byte \(offset) outside a file of \(count) bytes")
        return base.map { $0 + offset }
    }

    /// Gives up the whole pages inside `range`; touching them again reads the file again.
    package func releasePages(_ range: Range<Int>) {
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        let first = (range.lowerBound + page - 1) / page * page, last = range.upperBound / page * page
        guard hasFile, let base, last > first, range.lowerBound >= 0, range.upperBound <= count else { return }
        madvise(UnsafeMutableRawPointer(mutating: base) + first, last - first, MADV_DONTNEED)
    }

    /// A copy of the bytes of `range`.
    package func bytes(_ range: Range<Int>) -> [UInt8] {
        withBytes(range) { Array($0) }
    }
}
