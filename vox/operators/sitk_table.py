"""The functions of SimpleITK: name, place, result, signatures.

Made by `python -m tests.golden.regenerate_sitk`. `=`: the result lies where the first image does; `~`: it may
lie elsewhere. M image, N number, S text, Q sequence. Of arguments: I image, n number, i integer,
e enumeration, b boolean, s text, U integers, D numbers, B booleans, L lists of integers, V images, P pairs of
numbers; `?` before those that may be left out, `;` between overloads.
"""

VERSION = "2.5.7"

ROWS = """\
Abs =M I
AbsoluteValueDifference =M II;In;nI
Acos =M I
AdaptiveHistogramEqualization =M I?Unn
Add =M II;In;nI
AdditiveGaussianNoise =M Inni
AggregateLabelMap =M I
And =M II;Ii;iI
AntiAliasBinary =M I?ni
ApproximateSignedDistanceMap =M I?nn
AreaClosing =M I?nbb
AreaOpening =M I?nbb
Asin =M I
Atan =M I
Atan2 =M II;In;nI
BSplineDecomposition =M I?i
Bilateral =M I?nni
BinShrink ~M I?U
BinaryClosingByReconstruction =M I?Uenb
BinaryContour =M I?bnn
BinaryDilate =M I?Uennb
BinaryErode =M I?Uennb
BinaryFillhole =M I?bn
BinaryGrindPeak =M I?bnn
BinaryImageToLabelMap =M I?bnn
BinaryMagnitude =M II
BinaryMedian =M I?Unn
BinaryMinMaxCurvatureFlow =M I?niin
BinaryMorphologicalClosing =M I?Uenb
BinaryMorphologicalOpening =M I?Uenn
BinaryNot =M I?nn
BinaryOpeningByReconstruction =M I?Uennb
BinaryProjection ~M I?inn
BinaryPruning =M I?i
BinaryReconstructionByDilation =M II?nnb
BinaryReconstructionByErosion =M II?nnb
BinaryThinning =M I
BinaryThreshold =M I?nnii
BinaryThresholdProjection ~M I?inii
BinomialBlur =M I?i
BitwiseNot =M I
BlackTopHat =M I?Ueb
BoundedReciprocal =M I
BoxMean =M I?U
BoxSigma =M I?U
CannyEdgeDetection =M I?nnDD
CannySegmentationLevelSet =M II?nnnnnnibn
Cast =M Ie
ChangeLabel =M I?P
ChangeLabelLabelMap =M I?P
CheckerBoard =M II?U
Clamp =M I?enn
ClosingByReconstruction =M I?Uebb
CollidingFronts =M I?LLbnb
ComplexToImaginary =M I
ComplexToModulus =M I
ComplexToPhase =M I
ComplexToReal =M I
Compose ~M V;I;II;III;IIII;IIIII
ConfidenceConnected =M I?Linii
ConnectedComponent =M II?b;I?b
ConnectedThreshold =M I?Lnnie
ConstantPad ~M I?UUn
Convolution ~M II?bee
Cos =M I
Crop ~M I?UU
CurvatureAnisotropicDiffusion =M I?nnii
CurvatureFlow =M I?ni
CyclicShift =M I?U
DICOMOrient ~M I?s
DICOMOrientImageFilter_GetOrientationFromDirectionCosines ~S D
DanielssonDistanceMap =M I?bbb
Derivative =M I?iib
DilateObjectMorphology =M I?Uen
DiscreteGaussian =M I?Dinb
DiscreteGaussianDerivative =M I?DUinbb
DisplacementFieldJacobianDeterminant =M I?bD
Divide =M II;In;nI
DivideFloor =M II;In;nI
DivideReal =M II;In;nI
DoubleThreshold =M I?nnnniib
EdgePotential =M I
Equal =M II?ii;In?ii;nI?ii
ErodeObjectMorphology =M I?Uenn
Exp =M I
ExpNegative =M I
Expand ~M I?Ue
Extract ~M I?UUe
FFTConvolution ~M II?bee
FFTNormalizedCorrelation ~M II?in
FFTPad ~M I?ei
FFTShift ~M I?b
FastApproximateRank =M I?nU
FastMarching =M I?LnnD
FastMarchingBase =M I?LnneD
FastMarchingUpwindGradient =M I?LiLnnD
Flip ~M I?Bb
ForwardFFT ~M I
GaborSource ~M ?eUDDnDDD
GaussianSource ~M ?eUDDnDDDb
GeodesicActiveContourLevelSet =M II?nnnnib
GetArrayFromImage =M I
GetArrayViewFromImage =M I
GetImageFromArray =M I?b
GetPixelIDValueAsString ~S e
GetPixelIDValueFromString ~N s
Gradient =M I?bb
GradientAnisotropicDiffusion =M I?nnii
GradientMagnitude =M I?b
GradientMagnitudeRecursiveGaussian =M I?nb
GradientRecursiveGaussian =M I?nbb
GrayscaleConnectedClosing =M I?Ub
GrayscaleConnectedOpening =M I?Ub
GrayscaleDilate =M I?Ue
GrayscaleErode =M I?Ue
GrayscaleFillhole =M I?b
GrayscaleGeodesicDilate =M II?bb
GrayscaleGeodesicErode =M II?bb
GrayscaleGrindPeak =M I?b
GrayscaleMorphologicalClosing =M I?Ueb
GrayscaleMorphologicalOpening =M I?Ueb
Greater =M II?ii;In?ii;nI?ii
GreaterEqual =M II?ii;In?ii;nI?ii
GridSource ~M ?eUDDDnDDDB
HConcave =M I?nb
HConvex =M I?nb
HMaxima =M I?n
HMinima =M I?nb
HalfHermitianToRealInverseFFT ~M I?b
Hash =S I?e
HistogramMatching =M II?iib
HuangThreshold =M II?iiibi;I?iiibi
IntensityWindowing =M I?nnnn
IntermodesThreshold =M II?iiibi;I?iiibi
InverseDeconvolution =M II?nbee
InverseDisplacementField =M I?UDDi
InverseFFT ~M I
InvertDisplacementField =M I?innb
InvertIntensity =M I?n
IsoContourDistance =M I?nn
IsoDataThreshold =M II?iiibi;I?iiibi
IsolatedConnected =M I?UUnninb
IsolatedWatershed =M I?UUnnnii
IterativeInverseDisplacementField =M I?in
JoinSeries ~M V?nn;I?nn;II?nn;III?nn;IIII?nn;IIIII?nn
KittlerIllingworthThreshold =M II?iiibi;I?iiibi
LabelContour =M I?bn
LabelImageToLabelMap =M I?n
LabelMapContourOverlay =M II?nUUieeU
LabelMapMask =M II?inbbU
LabelMapOverlay =M II?nU
LabelMapToBinary =M I?nn
LabelMapToLabel =M I
LabelMapToRGB =M I?U
LabelOverlay =M II?nnU
LabelSetDilate =M I?Ub
LabelSetErode =M I?Ub
LabelToRGB =M I?nU
LabelUniqueLabelMap =M I?b
LabelVoting ~M V?i;I?i;II?i;III?i;IIII?i;IIIII?i
LandweberDeconvolution =M II?nibee
Laplacian =M I?b
LaplacianRecursiveGaussian =M I?nb
LaplacianSegmentationLevelSet =M II?nnnib
LaplacianSharpening =M I?b
Less =M II?ii;In?ii;nI?ii
LessEqual =M II?ii;In?ii;nI?ii
LiThreshold =M II?iiibi;I?iiibi
Log =M I
Log10 =M I
MagnitudeAndPhaseToComplex =M II;In;nI
Mask =M II?nn
MaskNegated =M II?nn
MaskedAssign =M III?n;II?n
MaskedFFTNormalizedCorrelation ~M IIII?in
Maximum =M II;In;nI
MaximumEntropyThreshold =M II?iiibi;I?iiibi
MaximumProjection ~M I?i
Mean =M I?U
MeanProjection ~M I?i
Median =M I?U
MedianProjection ~M I?i
MergeLabelMap ~M V?e;I?e;II?e;III?e;IIII?e;IIIII?e
MinMaxCurvatureFlow =M I?nii
Minimum =M II;In;nI
MinimumProjection ~M I?i
MirrorPad ~M I?UUn
Modulus =M II;Ii;iI
MomentsThreshold =M II?iiibi;I?iiibi
MorphologicalGradient =M I?Ue
MorphologicalWatershed =M I?nbb
MorphologicalWatershedFromMarkers =M II?bb
MultiLabelSTAPLE ~M V?iniD;I?iniD;II?iniD;III?iniD;IIII?iniD;IIIII?iniD
Multiply =M II;In;nI
N4BiasFieldCorrection =M II?nUnniUibi;I?nUnniUibi
NaryAdd ~M V;I;II;III;IIII;IIIII
NaryMaximum ~M V;I;II;III;IIII;IIIII
NeighborhoodConnected =M I?LnnUn
Noise =M I?U
Normalize =M I
NormalizeToConstant =M I?n
NormalizedCorrelation =M III
Not =M I
NotEqual =M II?ii;In?ii;nI?ii
ObjectnessMeasure =M I?nnnbib
OpeningByReconstruction =M I?Uebb
Or =M II;Ii;iI
OtsuMultipleThresholds =M I?iiibb
OtsuThreshold =M II?iiibib;I?iiibib
Paste ~M II?UUUB
PermuteAxes ~M I?U
PhysicalPointSource ~M ?eUDDD
Pow =M II;In;nI
ProjectedLandweberDeconvolution =M II?nibee
Rank =M I?nUe
RealAndImaginaryToComplex =M II
RealToHalfHermitianForwardFFT ~M I
ReconstructionByDilation =M II?bb
ReconstructionByErosion =M II?bb
RecursiveGaussian =M I?nbei
RegionOfInterest ~M I?UU
RegionalMaxima =M I?nnbb
RegionalMinima =M I?nnbb
ReinitializeLevelSet =M I?nbnn
RelabelComponent =M I?ib
RelabelLabelMap =M I?b
RenyiEntropyThreshold =M II?iiibi;I?iiibi
Resample ~M I;II
RescaleIntensity =M I?nn
RichardsonLucyDeconvolution =M II?ibee
Round =M I
SLIC =M I?Unibb
STAPLE ~M V?nni;I?nni;II?nni;III?nni;IIII?nni;IIIII?nni
SaltAndPepperNoise =M Ini
ScalarChanAndVeseDenseLevelSet =M II?ninnnnnnnneb
ScalarConnectedComponent =M II?nb;I?nb
ScalarImageKmeans =M I?Db
ScalarToRGBColormap =M I?eb
ShanbhagThreshold =M II?iiibi;I?iiibi
ShapeDetectionLevelSet =M II?nnnib
ShiftScale =M I?nne
ShotNoise =M Ini
Shrink ~M I?U
Sigmoid =M I?nnnn
SignedDanielssonDistanceMap =M I?bbb
SignedMaurerDistanceMap =M I?bbbn
SimpleContourExtractor ~M I?nnUnn
Sin =M I
Slice ~M I?UUU
SmoothingRecursiveGaussian =M I?Db
SobelEdgeDetection =M I
SpeckleNoise =M Ini
Sqrt =M I
Square =M I
SquaredDifference =M II;In;nI
StandardDeviationProjection ~M I?i
Statistics =Q I
StochasticFractalDimension =M II?U;I?U
Subtract =M II;In;nI
SumProjection ~M I?i
Tan =M I
TernaryAdd =M III
TernaryMagnitude =M III
TernaryMagnitudeSquared =M III
Threshold =M I?nnn
ThresholdMaximumConnectedComponents =M I?inii
ThresholdSegmentationLevelSet =M II?nnnnnib
TikhonovDeconvolution =M II?nbee
Tile ~M V?Un;I?Un;II?Un;III?Un;IIII?Un;IIIII?Un
Toboggan =M I
TriangleThreshold =M II?iiibi;I?iiibi
UnaryMinus =M I
UnsharpMask =M I?Dnnb
ValuedRegionalMaxima =M I?b
ValuedRegionalMinima =M I?b
VectorConfidenceConnected =M I?Linii
VectorConnectedComponent =M I?nb
VectorIndexSelectionCast =M I?ie
VectorMagnitude =M I
VotingBinary =M I?Uiinn
VotingBinaryHoleFilling =M I?Uinn
VotingBinaryIterativeHoleFilling =M I?Uiinn
Warp ~M II?eUDDDn
WhiteTopHat =M I?Ueb
WienerDeconvolution =M II?nbee
WrapPad ~M I?UU
Xor =M II;Ii;iI
YenThreshold =M II?iiibi;I?iiibi
ZeroCrossing =M I?ii
ZeroCrossingBasedEdgeDetection =M I?niin
ZeroFluxNeumannPad ~M I?UU
"""

# They touch files, windows or the process, work on transforms, or draw unseeded numbers.
REFUSED = """\
BSplineTransformInitializer CenteredTransformInitializer CenteredVersorTransformInitializer
DICOMOrientImageFilter_GetDirectionCosinesFromOrientation
FFTPadImageFilter_DefaultSizeGreatestPrimeFactor ImageReaderBase_GetImageIOFromFileName
ImageSeriesReader_GetGDCMSeriesFileNames ImageSeriesReader_GetGDCMSeriesIDs
ImageViewer_GetGlobalDefaultApplication ImageViewer_GetGlobalDefaultDebug
ImageViewer_GetGlobalDefaultExecutableNames ImageViewer_GetGlobalDefaultFileExtension
ImageViewer_GetGlobalDefaultSearchPath ImageViewer_GetProcessDelay
ImageViewer_SetGlobalDefaultApplication ImageViewer_SetGlobalDefaultDebug
ImageViewer_SetGlobalDefaultDebugOff ImageViewer_SetGlobalDefaultDebugOn
ImageViewer_SetGlobalDefaultExecutableNames ImageViewer_SetGlobalDefaultFileExtension
ImageViewer_SetGlobalDefaultSearchPath ImageViewer_SetProcessDelay LandmarkBasedTransformInitializer
LoggerBase_GetGlobalITKLogger PatchBasedDenoising ProcessObject_GetGlobalDefaultCoordinateTolerance
ProcessObject_GetGlobalDefaultDebug ProcessObject_GetGlobalDefaultDirectionTolerance
ProcessObject_GetGlobalDefaultNumberOfThreads ProcessObject_GetGlobalDefaultThreader
ProcessObject_GetGlobalWarningDisplay ProcessObject_GlobalDefaultDebugOff
ProcessObject_GlobalDefaultDebugOn ProcessObject_GlobalWarningDisplayOff
ProcessObject_GlobalWarningDisplayOn ProcessObject_SetGlobalDefaultCoordinateTolerance
ProcessObject_SetGlobalDefaultDebug ProcessObject_SetGlobalDefaultDirectionTolerance
ProcessObject_SetGlobalDefaultNumberOfThreads ProcessObject_SetGlobalDefaultThreader
ProcessObject_SetGlobalWarningDisplay ReadTransform Show TransformGeometry
TransformToDisplacementField Version_BuildDate Version_ExtendedVersionString Version_ITKMajorVersion
Version_ITKMinorVersion Version_ITKModulesEnabled Version_ITKPatchVersion Version_ITKVersionString
Version_MajorVersion Version_MinorVersion Version_PatchVersion Version_TweakVersion
Version_VersionString WriteTransform
"""
