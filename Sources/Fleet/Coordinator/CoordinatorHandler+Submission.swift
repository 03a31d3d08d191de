// SPDX-License-Identifier: Apache-2.0

import Blobs
import Coordination
import Foundation
import Logging
import StableDiffusion
import Studies
import TextualInversion
import WireMessages
import ZeroMQ

/// A submission whose files were looked at: on another thread, since a model has gigabytes.
struct PreparedSubmission: Sendable {
    var yaml: String
    var baseFolder: String
    var source: String
    var priority: Int
    /// With the paths of its manifest, or, without one, with those that workers are to read.
    var study: Study
    /// Nil when workers read files from the study's paths.
    var manifest: Manifest?
    var trials: [String]
    var missing: [BlobDigest] = []

    /// - Parameters:
    ///   - manifest: the client's; nil for files that are read from their paths.
    ///   - locate: the folder that a study's `model` means on this machine.
    init(
        yaml: String, baseFolder: String, source: String, priority: Int, manifest text: String, store: BlobStore,
        locate: @Sendable (String) throws -> ModelFolder
    ) throws {
        (self.yaml, self.baseFolder, self.source, self.priority) = (yaml, baseFolder, source, priority)
        let original = try Study.parse(yaml: yaml, source: source).resolvingPaths(against: baseFolder)
        if text.isEmpty {
            study = original
        } else {
            study = StudyPackage.relocated(original)
            let manifest = try Self.complete(Manifest(parsing: text), model: original.model, store: store, locate: locate)
            missing = manifest.wishes.map(\.digest).filter { !store.contains($0) }
            self.manifest = manifest
        }
        let all = study.trials
        let settings = study.search == nil ? [study] : try (0..<all.count).map { try all.study($0) }
        trials = settings.map { $0.canonicalJSON() }
        try SubmissionLimits.check(
            study, trials: zip(settings, trials).map { ($0, $1) }, manifest: manifest, width: SubmissionLimits.width(manifest, in: store),
            source: source)
        if let manifest, manifest.pictureCount == 0 { throw FleetError(.invalid, "\(source): the study has no pictures") }
    }

    /// Adds the model's files from this machine if the client has none, and finds those that it has here in their place.
    private static func complete(
        _ manifest: Manifest, model: String, store: BlobStore, locate: @Sendable (String) throws -> ModelFolder
    ) throws -> Manifest {
        guard model != Study.starterModel else { return manifest }
        if manifest.holdsModel {
            // The client may be on this machine: then its gigabytes need not travel.
            if let folder = try? locate(model), let here = try? StudyPackage.modelFiles(folder) {
                let wanted = Dictionary(
                    manifest.files.filter { !store.contains($0.digest) }.map { ($0.path, $0) }, uniquingKeysWith: { first, _ in first })
                for source in here {
                    guard let file = wanted[source.path] else { continue }
                    _ = try? store.openLocal(URL(fileURLWithPath: source.file), digest: file.digest, bytes: file.bytes)
                }
            }
            return manifest
        }
        let folder: ModelFolder
        do {
            folder = try locate(model)
        } catch {
            throw FleetError(.notFound, "the model \(model) is neither on the client's machine nor on the coordinator's: \(error)")
        }
        let files = try StudyPackage.modelFiles(folder).map { source in
            let (digest, bytes) = try store.registerInPlace(URL(fileURLWithPath: source.file))
            return Manifest.File(path: source.path, digest: digest, bytes: bytes, role: source.role)
        }
        return try Manifest(files: manifest.files + files)
    }

    var new: NewStudy {
        var new = NewStudy(
            name: study.name, yaml: yaml, json: study.canonicalJSON(), baseFolder: baseFolder, trials: trials, steps: study.training.steps,
            segmentSteps: study.checkpointEvery, created: Int64(Date().timeIntervalSince1970 * 1000))
        new.manifest = manifest?.text ?? ""
        new.parallelism = study.parallel == .data ? .data : .trials
        new.encodeParts = manifest.map { LatentDataSet.parts($0.pictureCount).count } ?? 0
        new.previewEvery = study.preview?.every
        new.mixesClasses = study.determinism == .mixed
        new.priority = priority
        return new
    }
}

extension CoordinatorHandler {
    /// A client's submission: looked at elsewhere, answered when that is done.
    mutating func submit(_ submission: WireSubmitStudy, from peer: PeerID, _ requestID: UInt64, _ context: inout LoopContext) {
        let source = submission.sourcePath.isEmpty ? "study" : submission.sourcePath
        let (store, locate, post) = (blobs.store, options.locateModel, options.post)
        DispatchQueue.global().async {
            let prepared = Result {
                try PreparedSubmission(
                    yaml: submission.yaml, baseFolder: submission.baseFolder, source: source, priority: Int(submission.priority),
                    manifest: submission.manifestJson, store: store, locate: locate)
            }
            post { handler, context in
                handler.turn.say(.submitReply(handler.reply(to: prepared, &context)), to: peer, requestID: requestID)
            }
        }
    }

    private mutating func reply(to prepared: Result<PreparedSubmission, any Error>, _ context: inout LoopContext) -> WireSubmitReply {
        var reply = WireSubmitReply()
        do {
            let prepared = try prepared.get()
            if !prepared.missing.isEmpty {
                reply.outcome = .needsBlobs
                reply.name = prepared.study.name
                reply.missing = prepared.missing.map { Data($0.bytes) }
                return reply
            }
            let outcome = try take(prepared, &context)
            reply.outcome = outcome.isAlreadyThere ? .alreadyThere : .created
            reply.studyID = outcome.id
            reply.name = outcome.name
            reply.message = outcome.ended
        } catch {
            reply.outcome = .refused
            reply.message = WireText.clipped("\(error)")
        }
        return reply
    }

    /// Takes a study in: on disk first, then at work.
    mutating func take(_ prepared: PreparedSubmission, _ context: inout LoopContext) throws -> Submission {
        let new = prepared.new
        if let known = studies.values.first(where: { $0.plan.name == new.name }) {
            guard known.json == new.json, known.manifest.isEmpty || known.manifest == new.manifest else {
                throw FleetError(
                    .invalid, "\(prepared.source): there is another study \(new.name) with other settings; give this one another name")
            }
            let state = coordinator.snapshot(of: known.plan.id)?.state
            return Submission(
                id: known.plan.id.description, name: known.plan.name, isAlreadyThere: true,
                ended: state.flatMap { $0.isTerminal ? $0.rawValue : nil } ?? "")
        }
        // What this turn changed before has to be on disk before the study gets its number.
        try ledger.commit()
        let plan = try ledger.addStudy(new)
        studies[plan.id] = StudyRow(
            plan: plan, yaml: new.yaml, json: new.json, baseFolder: new.baseFolder, manifest: new.manifest, created: new.created)
        do {
            try home.writeStudyFile(new.yaml, study: plan.name)
        } catch {
            // For people only; the ledger has it.
            logger.warning("could not write the study file of \(plan.name): \(error.reason)")
        }
        logger.info("study \(plan.name) was submitted", metadata: ["trials": "\(plan.trialCount)", "steps": "\(plan.steps)"])
        note("submitted", study: plan.id, "\(plan.trialCount) trials of \(plan.steps) steps, parallel: \(plan.parallelism.rawValue)")
        run(.studySubmitted(plan), &context)
        if new.priority != 0 { run(.studyPrioritized(plan.id, new.priority), &context) }
        return Submission(id: plan.id.description, name: plan.name, isAlreadyThere: false)
    }
}
