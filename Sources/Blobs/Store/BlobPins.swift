// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization

/// Keeps blobs from being removed to make room, also ones that are not there yet.
///
/// Counted: a blob stays until the last of its pins is released. They end with the process, however it ends.
package final class BlobPins: Sendable {
    private let store: BlobStore
    private let digests: Mutex<Set<BlobDigest>>

    fileprivate init(_ store: BlobStore, _ digests: Set<BlobDigest>) {
        self.store = store
        self.digests = Mutex(digests)
    }

    deinit { release() }

    package func release() {
        let released = digests.withLock { digests in
            defer { digests = [] }
            return digests
        }
        store.unpin(released)
    }
}

extension BlobStore {
    package func pin(_ digests: some Sequence<BlobDigest>) -> BlobPins {
        let digests = Set(digests)
        state.withLock { state in
            for digest in digests {
                let count = state.pins[digest, default: 0]
                if count == 0 { pinLocks.share(digest) }
                state.pins[digest] = count + 1
            }
        }
        return BlobPins(self, digests)
    }

    fileprivate func unpin(_ digests: Set<BlobDigest>) {
        state.withLock { state in
            for digest in digests {
                guard let count = state.pins[digest] else { continue }
                state.pins[digest] = count > 1 ? count - 1 : nil
                if count == 1 { pinLocks.release(digest) }
            }
        }
    }
}

/// Tells other processes which blobs are pinned: each digest stands for one byte of a lock file.
///
/// The locks belong to the open file, so threads share them and a dead process has none.
final class PinLocks: Sendable {
    // F_OFD_SETLK and F_OFD_SETLKW, which Swift does not see on every system.
    private static let (set, setAndWait) = (Int32(37), Int32(38))

    private let file: OpenFile

    init(path: String) throws(BlobError) { file = try OpenFile.writing(path) }

    /// Pins, after whoever removes the blob just now is done.
    func share(_ digest: BlobDigest) { _ = apply(F_RDLCK, digest, Self.setAndWait) }

    /// Takes the right to remove a blob; false when another process has it pinned.
    func tryExclude(_ digest: BlobDigest) -> Bool { apply(F_WRLCK, digest, Self.set) }

    func release(_ digest: BlobDigest) { _ = apply(F_UNLCK, digest, Self.set) }

    private func apply(_ type: Int32, _ digest: BlobDigest, _ command: Int32) -> Bool {
        var lock = flock()
        lock.l_type = Int16(type)
        lock.l_whence = Int16(SEEK_SET)
        lock.l_start = off_t(digest.lockOffset)
        lock.l_len = 1
        while true {
            if fcntl(file.descriptor, command, &lock) == 0 { return true }
            if errno != EINTR { return false }
        }
    }
}
