// SPDX-License-Identifier: Apache-2.0

import Blobs
import Foundation
import Studies
import Synchronization
import WireMessages
import ZeroMQ

/// A study's files, which stay on the disk for as long as this is held.
final class FilesInUse: Sendable {
    let study: PreparedStudy
    private let tree: BlobTree?
    private let pins: BlobPins?

    init(_ study: PreparedStudy, _ tree: BlobTree? = nil, _ pins: BlobPins? = nil) {
        self.study = study
        self.tree = tree
        self.pins = pins
    }
}

/// What a worker needs of the outside world to compute: files by content, kept in a bounded cache.
///
/// Used on the compute thread, which may wait for a transfer; heartbeats never do.
final class WorkerFiles: Sendable {
    /// What is remembered of studies' files; forgotten ones are looked for anew.
    private static let rememberedStudies = 256

    private let folder: URL
    private let limitBytes: Int64
    private let state = Mutex(State())

    private struct State {
        var store: BlobStore?
        var client: BlobClient?
        var place: (endpoint: Endpoint, security: SocketSecurity)?
        var prepared: [String: Prepared] = [:]
    }

    private struct Prepared {
        let study: PreparedStudy
        let manifest: Manifest
        let shards: [BlobDigest]
    }

    /// - Parameter folder: the cache; several workers of a machine may share it.
    init(folder: URL, limitBytes: Int64) {
        self.folder = folder
        self.limitBytes = limitBytes
    }

    /// Says where the coordinator's blobs are; the connection is made when it is needed.
    func serve(from endpoint: Endpoint, security: SocketSecurity) {
        let old = state.withLock { state -> BlobClient? in
            guard state.place.map({ $0.endpoint != endpoint || $0.security != security }) ?? true else { return nil }
            state.place = (endpoint, security)
            defer { state.client = nil }
            return state.client
        }
        old?.stop()
    }

    func stop() {
        let client = state.withLock { state in
            defer { state.client = nil }
            return state.client
        }
        client?.stop()
    }

    /// Brings a study's files to this machine, or finds them here; they stay for as long as the result is held.
    ///
    /// - Parameter tell: what it does, in a few words.
    /// - Throws: `SegmentFailure`.
    func prepare(
        _ brief: Brief, tell: @escaping @Sendable (String) -> Void, isCancelled: @escaping @Sendable () -> Bool
    ) throws -> FilesInUse {
        let key = brief.digest.hexadecimal
        guard !brief.manifest.isEmpty else { return FilesInUse(PreparedStudy(key: key, json: brief.studyJSON)) }
        if let known = state.withLock({ $0.prepared[key] }), let files = use(known, isCancelled: isCancelled) { return files }
        do {
            return try fetch(brief, key: key, tell: tell, isCancelled: isCancelled)
        } catch let error as BlobError {
            throw Self.failure(error)
        } catch let error as StudyError {
            throw SegmentFailure(.input, "\(error)")
        }
    }

    private func fetch(
        _ brief: Brief, key: String, tell: @escaping @Sendable (String) -> Void, isCancelled: @escaping @Sendable () -> Bool
    ) throws -> FilesInUse {
        let store = try store()
        let all = try Manifest(parsing: brief.manifest)
        // With the pictures encoded, nobody needs the pictures.
        let pictureRoles: Set<String> = ["picture", "caption"]
        let manifest = brief.shards.isEmpty ? all : try Manifest(files: all.files.filter { !pictureRoles.contains($0.role) })
        var wishes = manifest.wishes.map { wish in
            var wish = wish
            wish.localPaths = Self.localPaths(wish, manifest, brief)
            return wish
        }
        let shards = try brief.shards.map { row in
            guard let digest = BlobDigest(hex: row.digest) else { throw SegmentFailure(.internal, "a shard's digest cannot be read") }
            return BlobWish(digest: digest, bytes: row.bytes, localPaths: Self.inStore(digest, brief))
        }
        wishes += shards
        let pins = store.pin(wishes.map(\.digest))
        if wishes.contains(where: { !store.contains($0.digest) }) {
            tell("fetching \(wishes.count) files")
            try client().fetch(
                wishes, into: store,
                progress: { progress in tell("fetching \(progress.bytes >> 20) of \(progress.totalBytes >> 20) MiB") },
                isCancelled: isCancelled)
        }
        tell("checking files")
        let tree = try store.tree(of: manifest, isCancelled: isCancelled)
        let study = try Study(json: brief.studyJSON, source: "study").resolvingPaths(against: tree.url.path)
        let places = try shards.map { try store.url(of: $0.digest, isCancelled: isCancelled) }
        let prepared = Prepared(
            study: PreparedStudy(key: key, json: study.canonicalJSON(), shards: brief.shards.isEmpty ? nil : places), manifest: manifest,
            shards: shards.map(\.digest))
        state.withLock { state in
            if state.prepared.count >= Self.rememberedStudies { state.prepared = [:] }
            state.prepared[key] = prepared
        }
        return FilesInUse(prepared.study, tree, pins)
    }

    /// Files that were here before; nil when some of them went to make room.
    private func use(_ known: Prepared, isCancelled: () -> Bool) -> FilesInUse? {
        guard let store = try? store() else { return nil }
        let pins = store.pin(known.shards)
        // Opened rather than asked for, which sets their time of use.
        guard known.shards.allSatisfy({ (try? store.url(of: $0, isCancelled: isCancelled)) != nil }),
            let tree = try? store.tree(of: known.manifest, isCancelled: isCancelled)
        else { return nil }
        return FilesInUse(known.study, tree, pins)
    }

    /// Puts a blob into the coordinator's store.
    ///
    /// - Returns: its digest.
    func put(_ data: Data, isCancelled: @escaping @Sendable () -> Bool) throws -> Data {
        do {
            let digest = BlobDigest(of: data)
            try client().put([BlobOffer(data)], isCancelled: isCancelled)
            return Data(digest.bytes)
        } catch let error as BlobError {
            throw Self.failure(error)
        }
    }

    private func store() throws(BlobError) -> BlobStore {
        if let store = state.withLock({ $0.store }) { return store }
        let store = try BlobStore(folder: folder, limitBytes: limitBytes)
        state.withLock { $0.store = store }
        return store
    }

    private func client() throws -> BlobClient {
        try state.withLock { state in
            if let client = state.client { return client }
            guard let place = state.place else { throw SegmentFailure(.internal, "the coordinator serves no blobs") }
            var options = BlobClientOptions()
            options.socket.security = place.security
            let client = BlobClient(endpoint: place.endpoint, options: options)
            try client.start()
            state.client = client
            return client
        }
    }

    /// Where the same file may lie on this machine, if it is the coordinator's.
    private static func localPaths(_ wish: BlobWish, _ manifest: Manifest, _ brief: Brief) -> [String] {
        guard let file = manifest.files.first(where: { $0.digest == wish.digest }) else { return [] }
        let prefix = StudyPackage.model + "/"
        if file.path.hasPrefix(prefix), !brief.modelFolder.isEmpty { return [brief.modelFolder + "/" + file.path.dropFirst(prefix.count)] }
        return inStore(wish.digest, brief)
    }

    private static func inStore(_ digest: BlobDigest, _ brief: Brief) -> [String] {
        guard !brief.blobFolder.isEmpty else { return [] }
        return ["\(brief.blobFolder)/sha256/\(digest.hex.prefix(2))/\(digest.hex.dropFirst(2))"]
    }

    private static func failure(_ error: BlobError) -> SegmentFailure {
        switch error.code {
        case .storage, .noSpace, .unreachable: SegmentFailure(.unable, error.description)
        default: SegmentFailure(.internal, error.description)
        }
    }
}
