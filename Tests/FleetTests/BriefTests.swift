// SPDX-License-Identifier: Apache-2.0

import Coordination
import Foundation
import Testing
import WireMessages

@testable import Fleet

/// What workers are told of a trial.
struct BriefTests {
    private static let hex = String(repeating: "ab", count: 32)

    private func shard(_ number: Int, _ digest: String = hex) -> PieceRow {
        PieceRow(trial: 0, number: number, digest: digest, bytes: 7)
    }

    @Test func aBriefIsNamedByAllThatDecidesResults() {
        let brief = Brief(studyJSON: "{}", manifest: "m", shards: [shard(0)])
        var elsewhere = Brief(studyJSON: "{}", manifest: "m", shards: [shard(0)])
        (elsewhere.modelFolder, elsewhere.blobFolder) = ("/models", "/blobs")
        #expect(brief.digest == elsewhere.digest && brief.digest.count == 32)
        let others = [
            Brief(studyJSON: "{ }", manifest: "m", shards: [shard(0)]), Brief(studyJSON: "{}", manifest: "n", shards: [shard(0)]),
            Brief(studyJSON: "{}", manifest: "m", shards: []), Brief(studyJSON: "{}m", manifest: "", shards: [shard(0)]),
            Brief(studyJSON: "{}", manifest: "m", shards: [shard(0), shard(1)]),
            Brief(studyJSON: "{}", manifest: "m" + Self.hex, shards: []),
        ]
        #expect(Set(others.map(\.digest) + [brief.digest]).count == others.count + 1)
    }

    @Test func aBriefArrivesAsItWasSent() throws {
        var brief = Brief(studyJSON: "{}", manifest: "m", shards: [shard(0), shard(1)])
        (brief.modelFolder, brief.blobFolder) = ("/models/a", "/home/a/blobs")
        let sent = try WireCodec.encode(WireEnvelope(.briefReply(brief.reply), requestID: 3))
        let arrived = try Brief(WireCodec.decode(sent, at: .peer).briefReply)
        #expect(arrived.studyJSON == "{}" && arrived.manifest == "m" && arrived.shards == brief.shards)
        #expect(arrived.modelFolder == "/models/a" && arrived.blobFolder == "/home/a/blobs" && arrived.digest == brief.digest)
    }

    @Test func aBriefThatIsNotWhatItsNameSaysIsRefused() throws {
        let changes: [(inout WireBriefReply) -> Void] = [
            { $0.studyJson = "{ }" }, { $0.manifestJson = "" }, { $0.shards.removeLast() }, { $0.shards[0].digest[0] ^= 1 },
            { $0.brief[0] ^= 1 },
        ]
        for change in changes {
            var reply = Brief(studyJSON: "{}", manifest: "m", shards: [shard(0)]).reply
            change(&reply)
            #expect(throws: WireError.self) { try Brief(reply) }
        }
    }

    // MARK: - The book

    private func book(_ bench: LedgerBench, _ plan: StudyPlan) throws -> (BriefBook, StudyRow) {
        let book = BriefBook(bench.ledger) { ("/models/\($0.plan.name)", "/blobs") }
        return (book, try #require(try bench.ledger.studies().first { $0.plan.id == plan.id }))
    }

    @Test func eachTrialHasABriefWithItsOwnSettingsAndAllPictures() throws {
        let bench = try LedgerBench()
        let plan = try bench.add(change: {
            ($0.json, $0.trials, $0.manifest, $0.encodeParts) = ("{0}", ["{0}", "{1}"], "m", 2)
        })
        for part in 0..<2 {
            let lease = LeaseID(.encode(plan.id, part: part), attempt: 1)
            try bench.ledger.add(PieceReport(worker: WorkerID("w"), lease: lease, digest: Self.hex), bytes: 7, received: 1)
        }
        try bench.ledger.commit()
        var (book, study) = try book(bench, plan)
        let first = TrialID(study: plan.id, index: 0), second = TrialID(study: plan.id, index: 1)
        let brief = try book.brief(for: .train(second), of: study)
        #expect(brief.studyJSON == "{1}" && brief.manifest == "m" && brief.shards == [shard(0), shard(1)])
        #expect(brief.modelFolder == "/models/a" && brief.blobFolder == "/blobs")
        // Whatever is done for a trial, it is about the same.
        for work in [Work.gradient(second, step: 3, slice: 1), .evaluate(second, step: 0, slice: 0), .preview(second, step: 10)] {
            #expect(try book.brief(for: work, of: study).digest == brief.digest)
        }
        #expect(try book.brief(for: .train(first), of: study).studyJSON == "{0}")
        // Who encodes pictures needs the pictures.
        let encoding = try book.brief(for: .encode(plan.id, part: 1), of: study)
        #expect(encoding.studyJSON == "{0}" && encoding.shards.isEmpty && encoding.manifest == "m")
        #expect(book.find(brief.digest)?.studyJSON == "{1}" && book.find(encoding.digest) != nil && book.find(Data(count: 32)) == nil)
    }

    @Test func withoutAManifestNothingIsSaidOfPlaces() throws {
        let bench = try LedgerBench()
        let plan = try bench.add()
        var (book, study) = try book(bench, plan)
        let brief = try book.brief(for: .train(TrialID(study: plan.id, index: 0)), of: study)
        #expect(brief.manifest.isEmpty && brief.modelFolder.isEmpty && brief.blobFolder.isEmpty && brief.shards.isEmpty)
    }

    /// A book of ten thousand trials does not keep them all, and loses nothing by it.
    @Test func whatIsForgottenIsMadeAgain() throws {
        let bench = try LedgerBench()
        let plan = try bench.add(change: { $0.trials = (0..<3000).map { "{\($0)}" } })
        var (book, study) = try book(bench, plan)
        let first = try book.brief(for: .train(TrialID(study: plan.id, index: 0)), of: study).digest
        for index in 1..<3000 { _ = try book.brief(for: .train(TrialID(study: plan.id, index: index)), of: study) }
        #expect(book.find(first) == nil)
        #expect(try book.brief(for: .train(TrialID(study: plan.id, index: 0)), of: study).digest == first)
        #expect(book.find(first) != nil)
    }
}
