// Package timeseries has the small forecasters that published schedulers use, each for the
// next steps of one equally spaced series, and the tests that tell series apart.
//
//   - [Quadratic] and [Holt] smooth exponentially;
//   - [Fourier] continues a polynomial trend and low harmonics;
//   - [AR] and [SETAR] regress on the last values, by least squares;
//   - [Chain] counts what followed what;
//   - [Stationary], [Linear] and [Harmonics] are the features of FeMux (EuroSys 2026).
//
// All are deterministic and allocate nothing once they are warm. Values are finite
// numbers of any unit; forecasts may be negative, and are for the caller to clip.
package timeseries
