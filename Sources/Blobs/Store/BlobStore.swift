// SPDX-License-Identifier: Apache-2.0
package import Foundation
import Glibc
import Synchronization

/// Blobs in a folder, named by their digests.
///
///     sha256/ab/cdef...        whole blobs; never written to after they got this name
///     incoming/DIGEST.part     what has arrived of a blob
///     trees/PROCESS/MANIFEST   folders with the files of manifests, as hard links; each process has its own
///     in-place.json            digests of files that are served from where they lie
///     pins.lock                says to other processes what must stay
///
/// Several processes may share a folder. Nothing in it is trusted: a blob is checked against its name when a process reads it first,
/// and removed if it is damaged.
package final class BlobStore: Sendable {
    package struct Options: Sendable {
        /// How many bytes the folder may hold; blobs that were not used for the longest time make room.
        package var limitBytes: Int64?
        /// Whether a blob is on the disk, not only on its way there, before it gets its name.
        ///
        /// Without it a power failure may cost blobs, which are then found to be damaged and removed; a crash of a process costs nothing.
        package var isDurable = true
        /// Parts of blobs that nobody went on with for so long are removed.
        package var partLifetime: Duration = .seconds(7 * 24 * 3600)

        package init(limitBytes: Int64? = nil, isDurable: Bool = true) {
            self.limitBytes = limitBytes
            self.isDurable = isDurable
        }
    }

    struct Entry {
        var size: Int64
        /// The file itself, whatever its names; a tree's file is the same one.
        var inode: UInt64
        /// Nanoseconds since 1970.
        var lastUse: Int64
    }

    struct State {
        var entries: [BlobDigest: Entry] = [:]
        var blobBytes: Int64 = 0
        /// By their folders.
        var trees: [String: KnownTree] = [:]
        /// What only trees hold.
        var strayBytes: Int64 = 0
        /// What the open writers will have written in the end.
        var reservedBytes: Int64 = 0
        /// Checked by this process.
        var verified: Set<BlobDigest> = []
        var pins: [BlobDigest: Int] = [:]
        var inPlace = InPlaceFiles()
        /// When each folder of blobs was last changed, as far as this process knows.
        var folderTimes: [String: Int64] = [:]
        var lastScan: Int64 = 0
        var treeHome: TreeHome?

        /// Every file once, however many names it has.
        var usedBytes: Int64 { blobBytes + strayBytes }
    }

    package let options: Options
    let path: String
    let state = Mutex(State())
    let pinLocks: PinLocks

    /// Opens a store, and makes its folder if need be.
    ///
    /// - Throws: `.storage` or `.noSpace` when the folder cannot be used.
    package init(folder: URL, options: Options = Options()) throws(BlobError) {
        self.options = options
        path = folder.standardizedFileURL.path
        for name in ["sha256", "incoming"] { try Disk.makeFolder("\(path)/\(name)") }
        pinLocks = try PinLocks(path: "\(path)/pins.lock")
        removeStaleParts()
        TreeHome.removeStale(in: treesPath)
        let inPlace = InPlaceFiles(loadedFrom: inPlacePath)
        state.withLock { state in
            state.inPlace = inPlace
            rescan(&state)
        }
    }

    package convenience init(folder: URL, limitBytes: Int64?) throws(BlobError) {
        try self.init(folder: folder, options: Options(limitBytes: limitBytes))
    }

    package var folder: URL { URL(fileURLWithPath: path, isDirectory: true) }

    // MARK: Asking

    /// Whether the blob is here, in the folder or in its own place.
    ///
    /// Says nothing about whether it is damaged.
    package func contains(_ digest: BlobDigest) -> Bool { size(of: digest) != nil }

    /// The size of a blob that is here.
    package func size(of digest: BlobDigest) -> Int64? {
        state.withLock { state in
            if let status = Disk.status(storedPath(digest)), status.st_mode & S_IFMT == S_IFREG {
                adopt(digest, FileIdentity(status), lastUse: status.lastUse, &state)
                return Int64(status.st_size)
            }
            forget(digest, &state)
            return state.inPlace.unchanged(digest)?.identity.size
        }
    }

    /// Whether `open` need not read the whole blob first.
    func isVerified(_ digest: BlobDigest) -> Bool {
        state.withLock { $0.verified.contains(digest) || ($0.entries[digest] == nil && $0.inPlace.unchanged(digest) != nil) }
    }

    /// How many blobs are in the folder, and their bytes.
    package var usage: (count: Int, bytes: Int64) { state.withLock { ($0.entries.count, $0.usedBytes) } }

    // MARK: Reading

    /// Opens a blob for reading; the first time in a process its bytes are held against its name.
    ///
    /// - Throws: `.notFound`; `.damaged` for a blob that was, and that is gone now; `.changed` for a file in its own place that is
    ///   not what it was; `.cancelled`.
    package func open(_ digest: BlobDigest, isCancelled: () -> Bool = { false }) throws(BlobError) -> OpenBlob {
        do throws(BlobError) {
            let file = try OpenFile.reading(storedPath(digest))
            let identity = try file.identity()
            try verify(digest, file, identity, isCancelled)
            // Only the time of use: the time of change stays, for programs that tell by it whether a file is still the same.
            setTimeOfUse(file)
            state.withLock { adopt(digest, identity, lastUse: .nowInNanoseconds, &$0) }
            return OpenBlob(digest: digest, size: identity.size, file: file, identity: nil)
        } catch  where error.code == .notFound {
            state.withLock { forget(digest, &$0) }
            return try openInPlace(digest)
        }
    }

    /// A whole blob in memory.
    ///
    /// - Throws: `.tooBig` for one of more than `limit` bytes, and what `open` throws.
    package func data(of digest: BlobDigest, limit: Int = 64 << 20) throws(BlobError) -> Data {
        let blob = try open(digest)
        guard blob.size <= limit else {
            throw BlobError(.tooBig, "blob \(digest.short) has \(blob.size) bytes; at most \(limit) are read into memory")
        }
        return try blob.read(offset: 0, length: Int(blob.size))
    }

    /// Where a blob's bytes lie, for programs that read files; they must not write to it.
    ///
    /// Pin it for as long as the path is needed. Throws what `open` throws.
    package func url(of digest: BlobDigest, isCancelled: () -> Bool = { false }) throws(BlobError) -> URL {
        URL(fileURLWithPath: try open(digest, isCancelled: isCancelled).file.path)
    }

    /// Removes a blob from the folder, unless it is pinned.
    ///
    /// - Returns: whether it is gone.
    @discardableResult
    package func remove(_ digest: BlobDigest) -> Bool {
        state.withLock { state in
            scanTrees(&state)
            return removeUnpinned(digest, &state)
        }
    }

    private func verify(
        _ digest: BlobDigest, _ file: OpenFile, _ identity: FileIdentity, _ isCancelled: () -> Bool
    ) throws(BlobError) {
        if state.withLock({ $0.verified.contains(digest) }) { return }
        guard try file.hash(length: identity.size, isCancelled: isCancelled).digest == digest else {
            // Another process may have put a good one in its place meanwhile.
            if let now = Disk.status(file.path), FileIdentity(now) == identity { unlink(file.path) }
            state.withLock { forget(digest, &$0) }
            throw BlobError(.damaged, "blob \(digest.short) in \(path) was damaged and has been removed; it has to be fetched again")
        }
        state.withLock { _ = $0.verified.insert(digest) }
    }

    func setTimeOfUse(_ file: OpenFile) {
        // The system's own stamp would be some milliseconds coarse. UTIME_OMIT, which Swift does not see, leaves the other time alone.
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        _ = futimens(file.descriptor, [now, timespec(tv_sec: 0, tv_nsec: (1 << 30) - 2)])
    }

    // MARK: Paths and books

    func storedPath(_ digest: BlobDigest) -> String { "\(storedFolder(digest))/\(digest.hex.dropFirst(2))" }

    func storedFolder(_ digest: BlobDigest) -> String { "\(path)/sha256/\(digest.hex.prefix(2))" }

    func partPath(_ digest: BlobDigest) -> String { "\(path)/incoming/\(digest.hex).part" }

    var inPlacePath: String { "\(path)/in-place.json" }

    func adopt(_ digest: BlobDigest, _ identity: FileIdentity, lastUse: Int64, _ state: inout State) {
        let entry = Entry(size: identity.size, inode: identity.inode, lastUse: lastUse)
        state.blobBytes += entry.size - (state.entries.updateValue(entry, forKey: digest)?.size ?? 0)
    }

    func forget(_ digest: BlobDigest, _ state: inout State) {
        state.blobBytes -= state.entries.removeValue(forKey: digest)?.size ?? 0
        state.verified.remove(digest)
    }

    /// Whether another process added or removed blobs since the folder was read.
    func isOutdated(_ state: State) -> Bool {
        Disk.names(in: "\(path)/sha256").contains { folderTime($0) != state.folderTimes[$0] }
    }

    /// Notes that the last change in a blob's folder was our own.
    func noteChange(_ digest: BlobDigest, _ state: inout State) {
        let name = String(digest.hex.prefix(2))
        state.folderTimes[name] = folderTime(name)
    }

    private func folderTime(_ name: String) -> Int64? { Disk.status("\(path)/sha256/\(name)").map { FileIdentity($0).modified } }

    /// Reads the folder anew: other processes add and remove, too.
    func rescan(_ state: inout State) {
        var found: [BlobDigest: Entry] = [:]
        state.folderTimes = [:]
        state.lastScan = .nowInNanoseconds
        for folder in Disk.names(in: "\(path)/sha256") where folder.utf8.count == 2 {
            state.folderTimes[folder] = folderTime(folder)
            for name in Disk.names(in: "\(path)/sha256/\(folder)") {
                guard let digest = BlobDigest(hex: folder + name), let status = Disk.status(storedPath(digest)),
                    status.st_mode & S_IFMT == S_IFREG
                else { continue }
                found[digest] = Entry(size: Int64(status.st_size), inode: UInt64(status.st_ino), lastUse: status.lastUse)
            }
        }
        state.entries = found
        state.blobBytes = found.values.reduce(0) { $0 + $1.size }
        state.verified.formIntersection(found.keys)
        scanTrees(&state)
    }
}
