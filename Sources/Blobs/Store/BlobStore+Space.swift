// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization

extension BlobStore {
    /// Sets room aside for a blob, and removes others if need be.
    ///
    /// - Parameter remaining: what of it is not on the disk yet.
    /// - Throws: `.noSpace` when even that does not make enough room.
    func reserve(_ size: Int64, remaining: Int64) throws(BlobError) {
        try state.withLock { (state) throws(BlobError) in
            if let limit = options.limitBytes {
                guard size <= limit else {
                    throw BlobError(
                        .noSpace,
                        "a blob of \(formatted(bytes: size)) does not fit into \(path), which may hold \(formatted(bytes: limit)); raise the limit"
                    )
                }
                // Two processes that fill a folder at once would each know of their own half only.
                let isHalfFull = state.usedBytes + state.reservedBytes + size > limit / 2
                if isHalfFull || .nowInNanoseconds - state.lastScan > 1_000_000_000, isOutdated(state) { rescan(&state) }
                if state.usedBytes + state.reservedBytes + size > limit {
                    rescan(&state)
                    _ = removeParts { _ in true }
                    let excess = state.usedBytes + state.reservedBytes + size - limit
                    if excess > 0 {
                        guard evict(excess, &state) >= excess else {
                            throw BlobError(
                                .noSpace,
                                "\(path) may hold \(formatted(bytes: limit)) and all of it is in use; \(formatted(bytes: size)) more do not fit; raise the limit"
                            )
                        }
                    }
                }
            }
            if let free = Disk.freeBytes(at: path), free < remaining {
                rescan(&state)
                guard removeParts(where: { _ in true }) + evict(remaining - free, &state) >= remaining - free else {
                    throw BlobError(
                        .noSpace,
                        "the disk of \(path) has \(formatted(bytes: free)) left; \(formatted(bytes: remaining)) are needed; free some space"
                    )
                }
            }
            state.reservedBytes += size
        }
    }

    func unreserve(_ size: Int64) { state.withLock { $0.reservedBytes -= size } }

    /// Removes blobs because the disk turned out to be full; false when none can go.
    func makeRoomOnDisk(_ bytes: Int64) -> Bool {
        state.withLock { state in
            rescan(&state)
            return removeParts { _ in true } + evict(bytes, &state) > 0
        }
    }

    /// Whether it was removed.
    func removeUnpinned(_ digest: BlobDigest, _ state: inout State) -> Bool {
        guard state.pins[digest] == nil, let status = Disk.status(storedPath(digest)), pinLocks.tryExclude(digest) else { return false }
        defer { pinLocks.release(digest) }
        if status.st_nlink > 1 {
            guard removeTrees(holding: UInt64(status.st_ino), &state), Disk.status(storedPath(digest))?.st_nlink == 1 else { return false }
        }
        guard unlink(storedPath(digest)) == 0 else { return false }
        forget(digest, &state)
        noteChange(digest, &state)
        return true
    }

    /// At the start: parts of dead writers that have no name to go on under, and parts that are too old.
    func removeStaleParts() {
        let oldest = Int64.nowInNanoseconds - options.partLifetime.components.seconds * 1_000_000_000
        _ = removeParts { name in
            guard name.hasSuffix(".part"), let status = Disk.status("\(path)/incoming/\(name)") else { return true }
            return FileIdentity(status).modified < oldest
        }
    }

    /// Removes parts that nobody is writing, and gives the bytes they had.
    private func removeParts(where isStale: (String) -> Bool) -> Int64 {
        var freed: Int64 = 0
        for name in Disk.names(in: "\(path)/incoming") where isStale(name) {
            let path = "\(path)/incoming/\(name)"
            guard let status = Disk.status(path), status.st_mode & S_IFMT == S_IFREG, let file = try? OpenFile.writing(path),
                file.tryLock(), unlink(path) == 0
            else { continue }
            freed += Int64(status.st_blocks) * 512
        }
        return freed
    }
}
