// SPDX-License-Identifier: Apache-2.0

import Coordination
import Foundation
import Studies
import Synchronization
import TextualInversion

/// What the searches of studies chose for their trials.
///
/// A pure function of the study; kept because `status` asks again and again.
enum StudySettings {
    private static let known = Mutex<[String: StudyTrials]>([:])

    static func parameters(of trial: Int, json: String) -> [FleetStatus.Parameter] {
        trials(json)?.parameters(trial).map { FleetStatus.Parameter(key: $0.key, value: $0.value) } ?? []
    }

    private static func trials(_ json: String) -> StudyTrials? {
        if let trials = known.withLock({ $0[json] }) { return trials }
        guard let trials = try? Study(json: json).trials else { return nil }
        known.withLock { known in
            if known.count >= 64 { known = [:] }
            known[json] = trials
        }
        return trials
    }
}
