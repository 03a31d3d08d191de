// SPDX-License-Identifier: Apache-2.0
@main
struct FleetBench { static func main() {} }
