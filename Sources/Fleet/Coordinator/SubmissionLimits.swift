// SPDX-License-Identifier: Apache-2.0

import Blobs
import Coordination
import Foundation
import Studies
import TextualInversion
import WireMessages

/// What of a study could never travel: refused at once, rather than when the first message does not fit.
enum SubmissionLimits {
    /// Room in a message for all but a trial's vectors: the history and evaluations of the longest segment.
    static let rowBytes = StudyPlan.longestSegment * 100
    /// Vectors of a training state: the present ones, two moments, the initial and the best ones.
    private static let arrays = 5

    /// - Parameters:
    ///   - trials: the settings of each trial, search included, as studies and as JSON.
    ///   - width: of the model's vectors; nil if that is not known.
    /// - Throws: `FleetError` `.invalid`, in one line.
    static func check(
        _ study: Study, trials: [(study: Study, json: String)], manifest: Manifest?, width: Int?, source: String
    ) throws(FleetError) {
        func refuse(_ what: String) -> FleetError { FleetError(.invalid, "\(source): \(what)") }
        for text in [study.canonicalJSON()] + trials.map(\.json) where text.utf8.count > WireLimits.studyBytes {
            throw refuse("the study's settings have \(text.utf8.count) bytes; at most \(WireLimits.studyBytes) are allowed")
        }
        if let manifest {
            let bytes = manifest.text.utf8.count
            guard bytes <= WireLimits.manifestBytes else {
                throw refuse(
                    "the list of the study's files has \(bytes) bytes; at most \(WireLimits.manifestBytes) are allowed: use fewer pictures")
            }
            let parts = LatentDataSet.parts(manifest.pictureCount).count
            guard parts <= WireLimits.leases else {
                throw refuse(
                    "the study has \(manifest.pictureCount) pictures, \(parts) parts to encode; at most \(WireLimits.leases) parts are allowed"
                )
            }
        }
        for (number, trial) in trials.enumerated() {
            let place = trials.count > 1 ? "trial \(number): " : ""
            if study.parallel == .data, let problem = steps(trial.study) { throw refuse(place + problem) }
            if let width, let problem = vectors(trial.study.pseudoword.vectors, width: width) { throw refuse(place + problem) }
        }
    }

    /// Slices of one step are leases of one message, and show in one heartbeat.
    private static func steps(_ study: Study) -> String? {
        guard study.training.microbatch <= WireLimits.samples else {
            return "training.microbatch is \(study.training.microbatch); with parallel: data at most \(WireLimits.samples) are possible"
        }
        guard let course = try? TrainingCourse(study) else { return nil }
        let slices = max(course.sliceCount, course.evaluationSliceCount)
        guard slices > WireLimits.leases else { return nil }
        let what = course.sliceCount > WireLimits.leases ? "training.batch" : "evaluate.samples"
        return "\(what) makes \(slices) slices of one step; at most \(WireLimits.leases) are possible: raise training.microbatch"
    }

    private static func vectors(_ count: Int, width: Int) -> String? {
        let bytes = arrays * 4 * count * width
        let limit = WireLimits.messageBytes - rowBytes
        guard bytes > limit || width > WireLimits.vectorWidth.upperBound else { return nil }
        return
            "\(count) vectors of width \(width) make a training state of \(bytes) bytes; at most \(limit) fit into a message: use fewer vectors"
    }

    /// The width of the vectors of the model in a manifest; nil if it has none that is here.
    static func width(_ manifest: Manifest?, in store: BlobStore) -> Int? {
        guard let file = manifest?.files.first(where: { $0.path == "\(StudyPackage.model)/text_encoder/config.json" }),
            file.bytes < 1 << 20,
            let data = try? store.data(of: file.digest),
            let object = try? JSONSerialization.jsonObject(with: data) as? [String: Any]
        else { return nil }
        return object["hidden_size"] as? Int
    }
}
