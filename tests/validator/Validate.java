import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.FhirVersionEnum;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.SingleValidationMessage;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;
import java.util.stream.Stream;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.PrePopulatedValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.SnapshotGeneratingValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;
import org.hl7.fhir.instance.model.api.IBaseResource;

/**
 * Validates one resource per line of the standard input without any network: HAPI's own validator.
 *
 * Arguments: the release (R4, R4B, R5), a file of DICOM codes, one per line, and a folder of definitions (profiles,
 * extensions, value sets, code systems as JSON), which may be empty. R4 and R4B carry DICOM's code system as it was in
 * 2019 and call every later code unknown, so those codes are added to it.
 * Prints one JSON array per resource, of objects with severity, location and message.
 */
public final class Validate {
    private static final String DCM = "http://dicom.nema.org/resources/ontology/DCM";
    private static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] arguments) throws IOException {
        FhirContext context = FhirContext.forCached(FhirVersionEnum.valueOf(arguments[0]));
        FhirValidator validator = context.newValidator();
        validator.registerValidatorModule(new FhirInstanceValidator(support(context, arguments)));
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            ArrayNode found = JSON.createArrayNode();
            for (SingleValidationMessage message : validator.validateWithResult(line).getMessages()) {
                found.addObject()
                        .put("severity", message.getSeverity().getCode())
                        .put("location", message.getLocationString())
                        .put("message", message.getMessage());
            }
            out.println(JSON.writeValueAsString(found));
        }
    }

    private static ValidationSupportChain support(FhirContext context, String[] arguments) throws IOException {
        Path codes = Path.of(arguments[1]);
        DefaultProfileValidationSupport standard = new DefaultProfileValidationSupport(context);
        PrePopulatedValidationSupport added = new PrePopulatedValidationSupport(context);
        IBaseResource known = standard.fetchCodeSystem(DCM);
        if (known != null) {
            added.addCodeSystem(withCodes(context, known, codes));
        }
        addDefinitions(context, added, Path.of(arguments[2]));
        return new ValidationSupportChain(
                added,
                standard,
                new CommonCodeSystemsTerminologyService(context),
                new InMemoryTerminologyServerValidationSupport(context),
                new SnapshotGeneratingValidationSupport(context));
    }

    private static void addDefinitions(FhirContext context, PrePopulatedValidationSupport support, Path folder)
            throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.filter(path -> path.toString().endsWith(".json")).toList()) {
                String type = file.getFileName().toString().split("-")[0];
                if (!Set.of("StructureDefinition", "ValueSet", "CodeSystem").contains(type)) {
                    continue;
                }
                IBaseResource definition = context.newJsonParser().parseResource(Files.readString(file));
                switch (type) {
                    case "StructureDefinition" -> support.addStructureDefinition(definition);
                    case "ValueSet" -> support.addValueSet(definition);
                    default -> support.addCodeSystem(definition);
                }
            }
        }
    }

    private static IBaseResource withCodes(FhirContext context, IBaseResource known, Path codes) throws IOException {
        ObjectNode system = (ObjectNode) JSON.readTree(context.newJsonParser().encodeResourceToString(known));
        ArrayNode concepts = system.withArray("concept");
        Set<String> present = new HashSet<>();
        concepts.forEach(concept -> present.add(concept.get("code").asText()));
        for (String code : Files.readAllLines(codes)) {
            if (!code.isBlank() && present.add(code)) {
                concepts.addObject().put("code", code);
            }
        }
        return context.newJsonParser().parseResource(JSON.writeValueAsString(system));
    }
}
