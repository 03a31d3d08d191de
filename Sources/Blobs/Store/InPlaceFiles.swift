// SPDX-License-Identifier: Apache-2.0
package import Foundation
import Glibc
import Synchronization

/// Files that are served from where they lie, and what they were when their digests were computed.
struct InPlaceFiles: Sendable {
    struct Known: Sendable, Codable, Hashable {
        var path: String
        var digest: String
        var identity: FileIdentity
    }

    private struct Saved: Codable {
        var version: Int
        var files: [Known]
    }

    private static let maximumFiles = 10_000

    private(set) var byPath: [String: Known] = [:]
    private(set) var pathsByDigest: [BlobDigest: Set<String>] = [:]

    init() {}

    /// What cannot be read is computed anew.
    init(loadedFrom path: String) {
        guard let file = try? OpenFile.reading(path), let size = try? file.identity().size, size < 16 << 20,
            let data = try? file.read(at: 0, length: Int(size)),
            let saved = try? JSONDecoder().decode(Saved.self, from: data), saved.version == 1
        else { return }
        for known in saved.files.prefix(Self.maximumFiles) where known.path.hasPrefix("/") {
            if let digest = BlobDigest(hex: known.digest) { add(known, digest) }
        }
    }

    mutating func add(_ known: Known, _ digest: BlobDigest) {
        if let old = byPath.updateValue(known, forKey: known.path), let oldDigest = BlobDigest(hex: old.digest) {
            pathsByDigest[oldDigest]?.remove(known.path)
        }
        pathsByDigest[digest, default: []].insert(known.path)
    }

    func save(to path: String) {
        // A file that was written to a moment ago may be written to again without its time showing it.
        let newest = Int64.nowInNanoseconds - 2_000_000_000
        let files = byPath.values.filter { $0.identity.modified < newest }.sorted { $0.path < $1.path }.prefix(Self.maximumFiles)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Only a cache: without it the files are read again.
        try? encoder.encode(Saved(version: 1, files: Array(files))).write(to: URL(fileURLWithPath: path), options: .atomic)
    }

    /// The digest of a file if it is still the same.
    func digest(of path: String, _ identity: FileIdentity) -> BlobDigest? {
        guard let known = byPath[path], known.identity == identity else { return nil }
        return BlobDigest(hex: known.digest)
    }

    func known(_ digest: BlobDigest) -> [Known] { (pathsByDigest[digest] ?? []).sorted().compactMap { byPath[$0] } }

    /// A file with this digest that has not been written to since.
    func unchanged(_ digest: BlobDigest) -> Known? {
        known(digest).first { known in
            var status = stat()
            return stat(known.path, &status) == 0 && FileIdentity(status) == known.identity
        }
    }

    static func changed(_ path: String, _ identity: FileIdentity) -> BlobError {
        BlobError(
            .changed,
            "\(path) changed since it was registered with \(identity.size) bytes; put the old file back, or submit the study again")
    }
}

extension BlobStore {
    /// Computes a file's digest where it lies, and serves it from there under that name.
    ///
    /// The digest is remembered for as long as the file's size, time of change and place on the disk stay the same.
    ///
    /// - Throws: `.notFound`, `.storage`, `.changed` when somebody writes to it meanwhile, `.cancelled`.
    @discardableResult
    package func registerInPlace(
        _ file: URL, isCancelled: () -> Bool = { false }
    ) throws(BlobError) -> (digest: BlobDigest, bytes: Int64) {
        let path = file.resolvingSymlinksInPath().standardizedFileURL.path
        let input = try OpenFile.reading(path)
        let identity = try input.identity()
        if let digest = state.withLock({ $0.inPlace.digest(of: path, identity) }) { return (digest, identity.size) }
        let digest = try input.hash(length: identity.size, isCancelled: isCancelled).digest
        guard try input.identity() == identity else {
            throw BlobError(.changed, "\(path) changed while its digest was computed; try again when nobody writes to it")
        }
        let known = InPlaceFiles.Known(path: path, digest: digest.hex, identity: identity)
        let files = state.withLock { state in
            state.inPlace.add(known, digest)
            return state.inPlace
        }
        files.save(to: inPlacePath)
        return (digest, identity.size)
    }

    /// Uses a file of this machine as a blob, instead of a copy, if it is there and has the right bytes.
    ///
    /// - Returns: its path; nil when it is not what is wanted.
    /// - Throws: `.cancelled` only.
    package func openLocal(
        _ file: URL, digest: BlobDigest, bytes: Int64, isCancelled: () -> Bool = { false }
    ) throws(BlobError) -> URL? {
        guard file.path.hasPrefix("/"), let input = try? OpenFile.reading(file.path), (try? input.identity().size) == bytes else {
            return nil
        }
        do throws(BlobError) {
            return try registerInPlace(file, isCancelled: isCancelled).digest == digest ? file : nil
        } catch {
            if error.code == .cancelled { throw error }
            return nil
        }
    }

    func openInPlace(_ digest: BlobDigest) throws(BlobError) -> OpenBlob {
        let files = state.withLock { $0.inPlace.known(digest) }
        var failure = BlobError(.notFound, "blob \(digest.short) is not here")
        for known in files {
            do throws(BlobError) {
                let file = try OpenFile.reading(known.path)
                guard try file.identity() == known.identity else { throw InPlaceFiles.changed(known.path, known.identity) }
                return OpenBlob(digest: digest, size: known.identity.size, file: file, identity: known.identity)
            } catch {
                failure = error.code == .notFound ? InPlaceFiles.changed(known.path, known.identity) : error
            }
        }
        throw failure
    }
}
