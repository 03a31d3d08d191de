// SPDX-License-Identifier: Apache-2.0
package import Studies
private import Tensors

extension Study {
    /// The study's trials, drawn from its seed.
    ///
    /// The draw's address is (seed, trial, key): a hash of the key takes the places of step and sample.
    package var trials: StudyTrials {
        let seed = training.seed
        return StudyTrials(self) { trial, key in
            // FNV-1a.
            let hash = key.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
            return RandomDraws(
                seed: seed, trial: trial, step: Int(UInt32(truncatingIfNeeded: hash)), sample: Int(hash >> 40), stream: .search
            ).uniform()
        }
    }

    /// The settings of one trial: a study without a search.
    ///
    /// For many trials ask `trials` once.
    package func trial(_ index: Int) throws -> Study { try trials.study(index) }

    /// The searched keys and their values in one trial, for people.
    package func trialParameters(_ index: Int) -> [(key: String, value: String)] { trials.parameters(index) }
}
