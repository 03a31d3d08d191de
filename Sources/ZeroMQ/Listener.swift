// SPDX-License-Identifier: Apache-2.0
import Foundation

/// The descriptor on which a ROUTER's connections arrive.
struct Listener {
    let descriptor: Int32
}
