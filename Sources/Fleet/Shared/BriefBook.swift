// SPDX-License-Identifier: Apache-2.0

import Coordination
import Crypto
import Foundation
import WireMessages

/// What a worker has to know of a trial: its settings, its files by content, and the encoded pictures.
///
/// Grants name it by its digest; a worker that does not have it asks once.
struct Brief: Sendable {
    let studyJSON: String
    let manifest: String
    let shards: [PieceRow]
    /// Where the coordinator's machine has the files; not part of what the digest names.
    var modelFolder = ""
    var blobFolder = ""
    let digest: Data

    init(studyJSON: String, manifest: String, shards: [PieceRow]) {
        self.studyJSON = studyJSON
        self.manifest = manifest
        self.shards = shards
        var hash = SHA256()
        for text in [studyJSON, manifest] + shards.map(\.digest) {
            withUnsafeBytes(of: UInt64(text.utf8.count).littleEndian) { hash.update(bufferPointer: $0) }
            hash.update(data: Data(text.utf8))
        }
        digest = Data(hash.finalize())
    }

    /// Reads a reply that the codec has checked.
    ///
    /// - Throws: `WireError` when it is not what its digest names.
    init(_ reply: WireBriefReply) throws(WireError) {
        self.init(
            studyJSON: reply.studyJson, manifest: reply.manifestJson,
            shards: reply.shards.enumerated().map { index, name in
                PieceRow(trial: 0, number: index, digest: name.digest.hexadecimal, bytes: Int64(clamping: name.bytes))
            })
        modelFolder = reply.modelFolder
        blobFolder = reply.blobFolder
        guard digest == reply.brief else { throw WireError(.invalid, "a brief is not what its digest names; it was dropped") }
    }

    var reply: WireBriefReply {
        var reply = WireBriefReply()
        reply.brief = digest
        reply.studyJson = studyJSON
        reply.manifestJson = manifest
        reply.shards = shards.map { row in
            var name = WireBlobName()
            name.digest = Data(hexadecimal: row.digest) ?? Data()
            name.bytes = UInt64(clamping: row.bytes)
            return name
        }
        reply.modelFolder = WireText.clipped(modelFolder, limit: WireLimits.pathBytes)
        reply.blobFolder = WireText.clipped(blobFolder, limit: WireLimits.pathBytes)
        return reply
    }
}

/// The briefs that were named lately, made from the ledger when needed.
struct BriefBook {
    /// More of them are forgotten, all at once: they are quickly made again.
    private static let limit = 2048

    private enum Owner: Hashable { case trial(TrialID), encoding(StudyID) }

    private let ledger: Ledger
    /// Where a study's files lie on this machine.
    private let places: @Sendable (StudyRow) -> (model: String, blobs: String)
    private var byOwner: [Owner: Brief] = [:]
    private var byDigest: [Data: Brief] = [:]

    init(_ ledger: Ledger, places: @escaping @Sendable (StudyRow) -> (model: String, blobs: String)) {
        self.ledger = ledger
        self.places = places
    }

    /// The brief of a trial, or of the encoding of a study's pictures.
    mutating func brief(for work: Work, of study: StudyRow) throws(FleetError) -> Brief {
        let owner = work.trial.map { Owner.trial($0) } ?? .encoding(work.study)
        if let known = byOwner[owner] { return known }
        var json = study.json
        var shards: [PieceRow] = []
        if let trial = work.trial {
            if let own = try ledger.settings(of: trial) { json = own }
            if study.plan.encodeParts > 0 { shards = try ledger.encodedParts(of: study.plan.id) }
        }
        var brief = Brief(studyJSON: json, manifest: study.manifest, shards: shards)
        if !study.manifest.isEmpty { (brief.modelFolder, brief.blobFolder) = places(study) }
        if byOwner.count >= Self.limit {
            byOwner = [:]
            byDigest = [:]
        }
        byOwner[owner] = brief
        byDigest[brief.digest] = brief
        return brief
    }

    func find(_ digest: Data) -> Brief? { byDigest[digest] }
}
