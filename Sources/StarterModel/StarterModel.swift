// SPDX-License-Identifier: Apache-2.0
private import Foundation

/// The small Stable Diffusion model and example pictures that come with the program.
package enum StarterModel {
    /// The model folder that `model: starter` means.
    package static var path: String { Bundle.module.bundlePath + "/model" }

    /// Five pictures of a teal heart, which the model never saw.
    package static var pictures: String { Bundle.module.bundlePath + "/pictures/teal-heart" }
}
